// The seam `forward`: from a publisher's socket at the broker to those of its subscribers.
//
// It does what these do with a usual put: `Broker._read` (dsmq/broker/loop.py), `Router.handle` and
// `Exchange.append` (dsmq/router/). A put is usual where it comes alone, from a node, for a topic that
// lies in the store's memory and that nobody waits for in a `get`, while every reader at the log's end is
// of this machine and its socket takes what is sent. First all that is asked, and then it is done;
// everything else is for Python, which then reads, or cuts what was read.
#include "frames.h"
#include "ring.h"

namespace {

using namespace ring;

constexpr size_t MOST_READERS_AT_ONCE = 32;
constexpr int64_t FLOOD_NS = 200000;

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
    bool take_message() {
        bool is_ascii = true;
        message = at;
        if (!take('"')) return false;
        for (; at < end && *at != '"'; at++) {
            const unsigned char c = *at;
            if (c < 0x20 || (c == '\\' && (++at == end || !*at || !strchr("\"\\/bfnrt", *at)))) return false;
            is_ascii = is_ascii && c < 0x80;
        }
        message_length = at + 1 - message;
        return take("\"}") && at == end && (is_ascii || Ref(text_of(message, message_length)));
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
    Ref cursor, connection;
    int descriptor;
};

// The readers at the log's end; false: more than fit, or one that is not usual.
bool find_readers(PyObject *cursors, PyObject *connections, int64_t end_id, Reader *found, size_t &count) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(cursors); i++) {
        PyObject *cursor = PyList_GET_ITEM(cursors, i);
        if (number_of(cursor, NAME(after)) != end_id || !is_none(cursor, NAME(seat))) continue;
        const Ref peer(NAME(peer).of(cursor));
        if (!peer || count == MOST_READERS_AT_ONCE) return false;
        if (!is_false(peer, NAME(lags)) || !is_false(peer, NAME(patient))) continue;
        PyObject *connection = PyDict_GetItemWithError(connections, peer);
        if (!connection || !is_attribute(connection, NAME(takes_at_once), Py_True)) return false;
        if (number_of(cursor, NAME(gap)) != 0 || !is_false(peer, NAME(blocked))) return false;
        if (!is_empty(connection, NAME(outbox)) || !is_empty(connection, NAME(unsent))) return false;
        if (!is_false(connection, NAME(is_closing)) || !is_false(connection, NAME(is_deaf))) return false;
        const int64_t descriptor = number_of(connection, NAME(descriptor));
        if (descriptor < 0) return false;
        Reader &reader = found[count++];
        reader.cursor = Py_NewRef(cursor), reader.connection = Py_NewRef(connection);
        reader.descriptor = static_cast<int>(descriptor);
    }
    return !PyErr_Occurred();
}

// The push of a put, as `encode_push` writes it.
PyObject *push_of(const Put &put, PyObject *log, PyObject *peer, int64_t id, int64_t now_ns) {
    const Ref topic(NAME(name_json).of(log)), sender(NAME(name_json).of(peer));
    if (!topic || !sender || !PyBytes_Check(topic.held) || !PyBytes_Check(sender.held)) return nullptr;
    NewFrame frame;
    const bool is_whole = frame.put("{\"event\":\"message\",\"topic\":") && frame.put(topic) &&
                          frame.put(",\"id\":") && frame.put_number(id) && frame.put(",\"from\":") && frame.put(sender) &&
                          frame.put(",\"seq\":") && frame.put_number(put.seq) && frame.put(",\"stamp\":") &&
                          frame.put_number(put.stamp) && frame.put(",\"at\":") && frame.put_number(now_ns) &&
                          frame.put(",\"message\":") && frame.put(put.message, put.message_length) && frame.put("}") && frame.finish();
    return is_whole ? PyBytes_FromStringAndSize(frame.bytes, frame.size) : nullptr;
}

// As `SharedLog.append`, and what `Exchange.append` counts.
bool append(const Ends &ends, const Way &way, PyObject *name, PyObject *store, PyObject *frame, PyObject *now) {
    const Ref id(PyObject_CallMethodObjArgs(store, NAME(append), way.stored.held, frame, now, nullptr));
    const Ref publications(id ? NAME(publications).of(ends.peer) : nullptr);
    if (!publications) return false;
    PyObject *publication = PyDict_GetItemWithError(publications, name);
    if (PyErr_Occurred() || (publication && !add(publication, NAME(messages), 1))) return false;
    return add(way.topic, NAME(messages), 1) && add(way.topic, NAME(size_bytes), PyBytes_GET_SIZE(frame));
}

bool serve(const Ends &ends, const Reader &reader, PyObject *frame, int64_t id) {
    const Py_ssize_t size = PyBytes_GET_SIZE(frame);
    if (!set_number(reader.cursor, NAME(after), id) || !add(reader.cursor, NAME(delivered), 1)) return false;
    if (!add(reader.cursor, NAME(size_bytes), size)) return false;
    const ssize_t sent = send(reader.descriptor, PyBytes_AS_STRING(frame), size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent == size) return true;
    const bool is_full = sent >= 0 || errno == EAGAIN || errno == EWOULDBLOCK;
    return Ref(PyObject_CallMethod(ends.broker, "_sent_in_part", "OOnO", reader.connection.held, frame,
                                   sent < 0 ? 0 : sent, is_full ? Py_False : Py_True));
}

bool forward_put(const Ends &ends, Put &put) {
    if (!put.take_head() || !put.take_message() || !strncmp(put.topic, "\"/dsmq/", 7)) return false;
    const Ref router(NAME(router).of(ends.broker)), store(NAME(store).of(ends.broker));
    const Ref topics(router ? NAME(topics).of(router) : nullptr);
    const Ref exchange(router ? NAME(exchange).of(router) : nullptr);
    const Ref connections(NAME(_connections).of(ends.broker)), name(text_of(put.topic + 1, put.topic_length - 2));
    if (!store || !topics || !exchange || !connections || !name || !PyDict_Check(topics.held) || !PyDict_Check(connections.held))
        return false;
    if (!is_empty(exchange, NAME(listeners)) || !is_false(store, NAME(durable))) return false;
    const Way way(PyDict_GetItemWithError(topics, name));
    if (!way.topic || !way.is_usual()) return false;
    const int64_t end_id = number_of(way.stored, NAME(last_id)), now_ns = monotonic_ns();
    const Ref cursors(NAME(cursors).of(way.topic));
    Reader readers[MOST_READERS_AT_ONCE];
    size_t count = 0;
    if (end_id < 0 || !cursors || !PyList_Check(cursors.held)) return false;
    if (!find_readers(cursors, connections, end_id, readers, count)) return false;
    const Ref frame(push_of(put, way.log, ends.peer, end_id + 1, now_ns)), now(PyFloat_FromDouble(now_ns * 1e-9));
    if (!frame || !now || !NAME(_last_heard_sec).set(ends.broker, now)) return false;
    if (!append(ends, way, name, store, frame, now)) return false;
    for (size_t i = 0; i < count; i++)
        if (!serve(ends, readers[i], frame, end_id + 1)) return false;
    const Ref schedule(NAME(_schedule).of(ends.broker));  // a commit that is planned comes within 20 ms
    return schedule && (!is_none(schedule, NAME(_commit)) || Ref(PyObject_CallMethodNoArgs(schedule, NAME(plan))));
}

// Whether a peer waits to be accepted; each is to get what is put from then on.
bool has_arrivals(PyObject *broker) {
    const Ref acceptor(NAME(acceptor).of(broker)), now(PyLong_FromLong(0));
    const Ref found(acceptor && now ? PyObject_CallMethodOneArg(acceptor, NAME(arrivals), now) : nullptr);
    return !found || PyObject_Size(found) != 0;
}

// Whether the last wake was a moment ago: Python then takes what has come meanwhile as one, and its readers too.
bool is_flood(PyObject *connection) {
    const int64_t now_ns = monotonic_ns(), last_ns = number_of(connection, NAME(woken_ns));
    return last_ns < 0 || !set_number(connection, NAME(woken_ns), now_ns) || now_ns - last_ns < FLOOD_NS;
}

bool forward(const Ends &ends) {
    const Ref none(PyTuple_New(0)), decoder(NAME(_decoder).of(ends.connection));
    if (!none || !decoder || !is_attribute(ends.peer, NAME(greeted), Py_True)) return false;
    if (!is_attribute(ends.connection, NAME(bodies), none) || !is_empty(decoder, NAME(_buffer))) return false;
    if (is_flood(ends.connection)) return false;
    if (!is_false(ends.connection, NAME(is_stalled)) || !is_false(ends.connection, NAME(is_closing))) return false;
    if (has_arrivals(ends.broker)) return false;
    const auto use = [&](const char *frame, size_t size) {
        Put put(frame, size);
        return forward_put(ends, put) ? DONE : ODD;
    };
    const auto read_on = [&](const char *frame, Py_ssize_t size) {
        return Ref(PyObject_CallFunction(ends.read, "Oy#", ends.connection, frame, size)) ? DONE : ODD;
    };
    return read_once(ends.descriptor, use, read_on) != ODD;
}

}  // namespace

// forward(broker._read, connection, peer, broker, descriptor)
PyObject *seam::forward(PyObject *, PyObject *const *args, Py_ssize_t count) {
    if (count != 5) return PyErr_BadArgument(), nullptr;
    const Ends ends = {args[0], args[1], args[2], args[3], static_cast<int>(PyLong_AsLong(args[4]))};
    return answer(!PyErr_Occurred() && ::forward(ends), args[0], args[1]);
}
