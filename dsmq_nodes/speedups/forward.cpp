// The seam `forward`: from a publisher's socket at the broker to those of its subscribers.
//
// It does what these do with a usual put: `Broker._read` (dsmq/broker/loop.py), `Router.handle` and
// `Exchange.append` (dsmq/router/). A put is usual where it comes alone, from a node, for a topic that
// lies in the store's memory and that nobody waits for in a `get`, while every reader at the log's end is
// of this machine and its socket takes what is sent. First all that is asked, and then it is done;
// everything else is for Python, which then reads, or cuts what was read.
#include "frames.h"
#include "ring.h"

#ifndef _WIN32
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

namespace {

using namespace ring;

constexpr size_t MOST = 65536, MOST_READERS_AT_ONCE = 32, MOST_PUSH = 8000000;
constexpr Py_ssize_t MOST_UNCOMMITTED = 500;  // as in broker/schedule.py
constexpr int64_t FLOOD_NS = 200000;
constexpr int MOST_LISTENERS = 4;

enum Step { FAILED = -1, ODD = 0, DONE = 1 };

Step odd() { return PyErr_Occurred() ? FAILED : ODD; }

struct Ends {  // of one peer's connection
    PyObject *read, *connection, *peer, *broker;
    int descriptor;
};

struct Put : Frame {
    const char *topic = nullptr, *message = nullptr;
    size_t topic_length = 0, message_length = 0;
    uint64_t seq = 0, stamp = 0;
    using Frame::Frame;
    bool take_head() {
        return is_alone() && take("{\"action\":\"put\",\"topic\":") && take_name(topic, topic_length) &&
               take(",\"seq\":") && take_number(seq) && take(",\"stamp\":") && take_number(stamp) &&
               take(",\"message\":");
    }
    // A JSON string in UTF-8 without `\u`, then the end.
    int take_message() {
        bool is_ascii = true;
        message = at;
        if (!take("\"")) return 0;
        for (; at < end && *at != '"'; at++) {
            const unsigned char c = *at;
            if (c < 0x20 || (c == '\\' && (++at == end || !*at || !strchr("\"\\/bfnrt", *at)))) return 0;
            is_ascii = is_ascii && c < 0x80;
        }
        message_length = at + 1 - message;
        if (!take("\"}") || at != end) return 0;
        if (is_ascii) return 1;
        const Ref text(PyUnicode_DecodeUTF8(message, message_length, nullptr));
        if (!text && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) PyErr_Clear();
        return text ? 1 : PyErr_Occurred() ? -1 : 0;
    }
};

bool is_none(PyObject *object, Attribute &name) { return is_attribute(object, name, Py_None); }
bool is_false(PyObject *object, Attribute &name) { return is_attribute(object, name, Py_False); }

// A put's topic, with what is beside it.
struct Way {
    Ref topic, log, stored;
    Way(PyObject *found) : topic(Py_XNewRef(found)), log(found ? NAME(log).of(found) : nullptr),
                           stored(log ? NAME(stored).of(log) : nullptr) {}
    bool is_usual() const { return stored && is_none(log, NAME(ring)) && is_empty(topic, NAME(waits)); }
};

struct Reader {
    PyObject *cursor, *connection;  // borrowed: nothing runs before it is served, or held
    int descriptor;
};

// The readers at the log's end; more than fit, or one that is not usual: ODD.
Step find_readers(PyObject *cursors, PyObject *connections, int64_t end_id, Reader *found, size_t &count) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(cursors); i++) {
        PyObject *cursor = PyList_GET_ITEM(cursors, i);
        if (number_of(cursor, NAME(after)) != end_id || !is_none(cursor, NAME(seat))) continue;
        const Ref peer(NAME(peer).of(cursor));
        if (!peer || count == MOST_READERS_AT_ONCE) return odd();
        if (!is_false(peer, NAME(lags)) || !is_false(peer, NAME(patient))) continue;
        PyObject *connection = PyDict_GetItemWithError(connections, peer);
        if (!connection || !is_attribute(connection, NAME(takes_at_once), Py_True)) return odd();
        if (number_of(cursor, NAME(gap)) != 0 || !is_false(peer, NAME(blocked))) return odd();
        if (!is_empty(connection, NAME(outbox)) || !is_empty(connection, NAME(unsent))) return odd();
        if (!is_false(connection, NAME(is_closing)) || !is_false(connection, NAME(is_deaf))) return odd();
        const int64_t descriptor = number_of(connection, NAME(descriptor));
        if (descriptor < 0) return odd();
        found[count++] = {cursor, connection, static_cast<int>(descriptor)};
    }
    return odd() == FAILED ? FAILED : DONE;
}

// The push of a put, as `encode_push` writes it.
PyObject *push_of(const Put &put, PyObject *log, PyObject *peer, int64_t id, int64_t now_ns) {
    const Ref topic(NAME(name_json).of(log)), sender(NAME(name_json).of(peer));
    if (!topic || !sender || !PyBytes_Check(topic.held) || !PyBytes_Check(sender.held)) return nullptr;
    char numbers[4][24];
    const long long values[] = {id, static_cast<long long>(put.seq), static_cast<long long>(put.stamp), now_ns};
    for (int i = 0; i < 4; i++) PyOS_snprintf(numbers[i], sizeof numbers[i], "%lld", values[i]);
    const Ref start(PyBytes_FromFormat(
        "{\"event\":\"message\",\"topic\":%s,\"id\":%s,\"from\":%s,\"seq\":%s,\"stamp\":%s,\"at\":%s,\"message\":",
        PyBytes_AS_STRING(topic.held), numbers[0], PyBytes_AS_STRING(sender.held), numbers[1], numbers[2], numbers[3]));
    if (!start) return nullptr;
    const Py_ssize_t head = PyBytes_GET_SIZE(start.held), size = head + put.message_length + 1;
    PyObject *frame = PyBytes_FromStringAndSize(nullptr, 23 + size);
    if (!frame) return nullptr;
    char *to = PyBytes_AS_STRING(frame);
    PyOS_snprintf(to, 24, "{\"msg_length\": %07lld}", static_cast<long long>(1000000 + size));
    memcpy(to + 23, PyBytes_AS_STRING(start.held), head);
    memcpy(to + 23 + head, put.message, put.message_length);
    to[23 + size - 1] = '}';
    return frame;
}

// As `StoredLog.append` and what `Exchange.append` counts.
int append(const Ends &ends, const Way &way, PyObject *name, PyObject *store, int64_t id, PyObject *frame, double now_sec) {
    const Ref pending(NAME(_pending).of(store)), publications(NAME(publications).of(ends.peer));
    const Ref row(Py_BuildValue("OLOd", way.stored.held, static_cast<long long>(id), frame, now_sec));
    if (!pending || !publications || !row || !PyList_Check(pending.held) || PyList_Append(pending, row) < 0) return -1;
    if (set_number(way.stored, NAME(last_id), id) < 0 || add(store, NAME(last_seq), 1) < 0) return -1;
    PyObject *publication = PyDict_GetItemWithError(publications, name);
    if (publication && add(publication, NAME(messages), 1) < 0) return -1;
    if (add(way.topic, NAME(messages), 1) < 0) return -1;
    return PyErr_Occurred() ? -1 : add(way.topic, NAME(size_bytes), PyBytes_GET_SIZE(frame));
}

int serve(const Ends &ends, const Reader &reader, PyObject *frame, int64_t id) {
    const Py_ssize_t size = PyBytes_GET_SIZE(frame);
    if (set_number(reader.cursor, NAME(after), id) < 0 || add(reader.cursor, NAME(delivered), 1) < 0) return -1;
    if (add(reader.cursor, NAME(size_bytes), size) < 0) return -1;
    const ssize_t sent = send(reader.descriptor, PyBytes_AS_STRING(frame), size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent == size) return 0;
    const bool is_full = sent >= 0 || errno == EAGAIN || errno == EWOULDBLOCK;
    const Ref rest(PyObject_CallMethod(ends.broker, "_sent_in_part", "OOnO", reader.connection, frame,
                                       sent < 0 ? 0 : sent, is_full ? Py_False : Py_True));
    return rest ? 0 : -1;
}

Step plan_commit(PyObject *broker, PyObject *store) {
    const Ref schedule(NAME(_schedule).of(broker)), pending(NAME(_pending).of(store));
    if (!schedule || !pending) return FAILED;
    if (!is_none(schedule, NAME(_commit)) && PyObject_Size(pending) < MOST_UNCOMMITTED) return DONE;
    const Ref planned(PyObject_CallMethodNoArgs(schedule, NAME(plan)));
    return planned ? DONE : FAILED;
}

Step forward_put(const Ends &ends, Put &put) {
    if (!put.take_head() || put.topic_length + put.message_length > MOST_PUSH) return ODD;
    const int is_text = put.take_message();
    if (is_text <= 0) return is_text < 0 ? FAILED : ODD;
    const Ref router(NAME(router).of(ends.broker)), store(NAME(store).of(ends.broker));
    const Ref topics(router ? NAME(topics).of(router) : nullptr);
    const Ref exchange(router ? NAME(exchange).of(router) : nullptr);
    const Ref connections(NAME(_connections).of(ends.broker));
    const Ref name(PyUnicode_DecodeUTF8(put.topic + 1, put.topic_length - 2, nullptr));
    if (!store || !topics || !exchange || !connections || !name || !PyDict_Check(topics.held) || !PyDict_Check(connections.held)) {
        if (PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) PyErr_Clear();
        return odd();
    }
    if (!is_empty(exchange, NAME(listeners)) || !is_false(store, NAME(durable))) return odd();
    const Way way(PyDict_GetItemWithError(topics, name));
    if (!way.topic || !way.is_usual() || !strncmp(put.topic, "\"/dsmq/", 7)) return odd();
    const int64_t end_id = number_of(way.stored, NAME(last_id)), now_ns = monotonic_ns();
    const Ref cursors(NAME(cursors).of(way.topic));
    if (end_id < 0 || !cursors || !PyList_Check(cursors.held)) return odd();
    Reader readers[MOST_READERS_AT_ONCE];
    size_t count = 0;
    const Step step = find_readers(cursors, connections, end_id, readers, count);
    if (step != DONE) return step;
    const Ref frame(push_of(put, way.log, ends.peer, end_id + 1, now_ns)), now(PyFloat_FromDouble(now_ns * 1e-9));
    if (!frame || !now) return odd();
    if (NAME(_last_heard_sec).set(ends.broker, now) < 0) return FAILED;
    if (append(ends, way, name, store, end_id + 1, frame, now_ns * 1e-9) < 0) return FAILED;
    for (size_t i = 0; i < count; i++) Py_INCREF(readers[i].cursor), Py_INCREF(readers[i].connection);
    bool failed = false;
    for (size_t i = 0; i < count; i++) {
        failed = failed || serve(ends, readers[i], frame, end_id + 1) < 0;
        Py_DECREF(readers[i].cursor), Py_DECREF(readers[i].connection);
    }
    return failed ? FAILED : plan_commit(ends.broker, store);
}

// Whether a peer waits to be accepted; each is to get what is put from then on.
bool has_arrivals(PyObject *broker) {
    const Ref files(NAME(_listening).of(broker));
    if (!files || !PyTuple_Check(files.held) || PyTuple_GET_SIZE(files.held) > MOST_LISTENERS) return true;
    pollfd polled[MOST_LISTENERS];
    const Py_ssize_t count = PyTuple_GET_SIZE(files.held);
    for (Py_ssize_t i = 0; i < count; i++)
        polled[i] = {static_cast<int>(PyLong_AsLong(PyTuple_GET_ITEM(files.held, i))), POLLIN, 0};
    return poll(polled, count, 0) != 0;
}

// Whether the last wake was a moment ago: Python then takes what has come meanwhile as one, and its readers too.
bool is_flood(PyObject *connection) {
    const int64_t now_ns = monotonic_ns(), last_ns = number_of(connection, NAME(woken_ns));
    return last_ns < 0 || set_number(connection, NAME(woken_ns), now_ns) < 0 || now_ns - last_ns < FLOOD_NS;
}

Step forward(const Ends &ends) {
    const Ref none(PyTuple_New(0)), decoder(NAME(_decoder).of(ends.connection));
    if (!none || !decoder || !is_attribute(ends.peer, NAME(greeted), Py_True)) return odd();
    if (!is_attribute(ends.connection, NAME(bodies), none) || !is_empty(decoder, NAME(_buffer))) return odd();
    if (is_flood(ends.connection)) return odd();
    if (!is_false(ends.connection, NAME(is_stalled)) || !is_false(ends.connection, NAME(is_closing))) return odd();
    if (has_arrivals(ends.broker)) return odd();
    Buffer data;
    char *to = data.room(MOST);
    if (!to) return FAILED;
    const ssize_t got = recv(ends.descriptor, to, MOST, MSG_DONTWAIT);
    Step step = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? DONE : ODD;
    if (got > 0) {
        Put put(to, got);
        step = forward_put(ends, put);
        if (step == ODD) {
            const Ref read(PyObject_CallFunction(ends.read, "Oy#", ends.connection, to, static_cast<Py_ssize_t>(got)));
            step = read ? DONE : FAILED;
        }
    }
    return step;
}

// forward(broker._read, connection, peer, broker, descriptor)
PyObject *forward_one(PyObject *, PyObject *const *args, Py_ssize_t count) {
    if (count != 5) return PyErr_BadArgument(), nullptr;
    const Ends ends = {args[0], args[1], args[2], args[3], static_cast<int>(PyLong_AsLong(args[4]))};
    if (PyErr_Occurred()) return nullptr;
    const Step step = forward(ends);
    if (step == ODD) return PyObject_CallOneArg(args[0], args[1]);
    return step == FAILED ? nullptr : Py_NewRef(Py_None);
}

PyMethodDef functions[] = {
    {"forward", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(forward_one)), METH_FASTCALL, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

int add_forward(PyObject *module) { return PyModule_AddFunctions(module, functions); }
#else
int add_forward(PyObject *) { return 0; }
#endif
