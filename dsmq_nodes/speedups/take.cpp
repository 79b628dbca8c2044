// The seam `take`: from a ring to a callback, as long as nothing is unusual.
//
// It does, message by message, what these do with a record that is usual: `RingReader.read`
// (dsmq/ring/reader.py), `LinkReader.take` (graph/links/link_reader.py), `Dispatcher.call_now`
// (graph/spin/dispatcher.py) and `Subscription.call` (graph/topics/subscription.py). It keeps no state
// of its own: before a callback is called, cursors and counters are as that Python leaves them, and
// after it they are read again. At the first record that is not usual it stops before it, and Python
// reads on there: a gap, the end of a lap, another sender, a text that the plan cannot read.
//
// A type without a plan is read by its own `from_json`; a callback that wants the `MessageInfo` gets it
// from `Subscription.info`.
//
// The ring is written by strangers. A record is copied before it is looked into, each length is
// checked against what is mapped, and what the writers have overtaken meanwhile is not used.
#include "frames.h"
#include "ring.h"

#include <unistd.h>

#include <cmath>

namespace {

using namespace ring;

constexpr uint64_t MOST_AHEAD = UINT64_C(1) << 32;
constexpr double DISPATCH_SEC = 0.002, BLOCKED_SEC = 1.0;  // as in dispatcher.py and blocked.py

struct Taker {
    PyObject_HEAD
    PyObject *ring_reader, *names, *cursor, *publishers, *subscription, *mail, *latency;
    PyObject *buckets, *watchdogs, *dispatcher, *held, *busy, *load, *callback, *callback_name, *info;
    PyObject *has_expired, *entry;
    Mapped map;
    uint64_t seat;
    int64_t since_ns;
    static constexpr int HELD = 18;
    PyObject **references() { return &ring_reader; }
};

struct Found {  // a usual record; its text is in a buffer
    Record record;
    uint64_t next;  // where the record after it begins
    Ref sender, publisher;
};

// The sender of a record without a large field; nullptr: Python learns it, or refuses it.
PyObject *sender_of(Taker *self, const char *name, size_t length) {
    const Ref bytes(PyBytes_FromStringAndSize(name, length));
    PyObject *known = bytes ? PyDict_GetItemWithError(self->names, bytes) : nullptr;  // (sender, field)
    const bool is_known = known && PyTuple_CheckExact(known) && PyTuple_GET_SIZE(known) == 2;
    return is_known && PyObject_Size(PyTuple_GET_ITEM(known, 1)) == 0 ? Py_NewRef(PyTuple_GET_ITEM(known, 0)) : nullptr;
}

// As `RingReader._copy_at`: the record after the last one.
bool copy(Taker *self, uint64_t id, uint64_t stop, Found &found, Buffer &text) {
    const Mapped &map = self->map;
    const int64_t next_id = number_of(self->ring_reader, NAME(_next_id));
    const int64_t start = number_of(self->ring_reader, NAME(_next_start));
    if (next_id < 0 || start < 0 || static_cast<uint64_t>(next_id) != id) return false;
    uint64_t at = DATA + start % map.capacity;
    if (at + sizeof(Record) > stop) return false;
    const uint64_t last = start + map.capacity;
    Record &record = found.record;
    memcpy(&record, map.bytes + at, sizeof record);
    const uint64_t reserve = map.load(RESERVE), length = record.lengths >> 32;
    if (record.id != id || (record.stamp | record.at | record.seq) > MOST_NUMBER) return false;
    if (reserve <= static_cast<uint64_t>(start) || reserve > last || (record.lengths & UINT32_MAX)) return false;
    at += sizeof record;
    if (at + record.names + length > stop) return false;
    text.size = 0;
    if (!text.put(map.bytes + at, record.names + length)) return false;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (map.load(RESERVE) > last) return false;
    if (record.check && record.check != checksum(id, text.bytes + record.names, length)) return false;
    found.next = start + ((sizeof record + record.names + length + 7) & ~UINT64_C(7));
    return found.sender = sender_of(self, text.bytes, record.names);
}

// Whether the record is the cursor's next one, and nothing was skipped before it.
bool is_next(Taker *self, const Record &record) {
    const int64_t after = number_of(self->cursor, NAME(after));
    return after >= 0 && static_cast<uint64_t>(after) + 1 == record.id && number_of(self->cursor, NAME(gap)) == 0;
}

// As `Losses.before`: nothing is missing before the record.
bool follows(Taker *self, Found &found) {
    const int64_t seq = found.record.seq;
    found.publisher = seq ? Py_XNewRef(PyDict_GetItemWithError(self->publishers, found.sender)) : nullptr;
    return found.publisher && number_of(found.publisher, NAME(number)) + 1 == seq;
}

bool set_double(PyObject *object, Attribute &name, double number) {  // false with an exception set
    const Ref value(PyFloat_FromDouble(number));
    return value && name.set(object, value);
}

// The ring's reader is behind the record, as after `RingReader.read`.
bool pass_ring(Taker *self, const Found &found) {
    const int64_t id = found.record.id;
    if (!set_number(self->ring_reader, NAME(_next_id), id + 1)) return false;
    if (!set_number(self->ring_reader, NAME(_next_start), found.next)) return false;
    self->map.store(READERS + 4 * self->seat + 1, id);
    return true;
}

// The cursor is behind the record, and its publisher's number is known, as after `LinkReader.take`.
bool pass(Taker *self, const Found &found) {
    const Record &record = found.record;
    return set_number(self->cursor, NAME(after), record.id) && add(self->cursor, NAME(delivered), 1) &&
           set_number(found.publisher, NAME(number), record.seq) && set_number(found.publisher, NAME(stamp), record.stamp) &&
           set_double(found.publisher, NAME(heard_sec), monotonic_ns() * 1e-9);
}

double double_of(PyObject *object, Attribute &name) {  // -1 with an exception set
    const Ref value(name.of(object));
    return value ? PyFloat_AsDouble(value) : -1;
}

bool keep_longest(PyObject *object, Attribute &name, double sec) {
    const double longest_sec = double_of(object, name);
    return !PyErr_Occurred() && (sec <= longest_sec || set_double(object, name, sec));
}

bool add_latency(Taker *self, double sec) {  // as `Histogram` does once it counts what is new
    if (!add(self->latency, NAME(_count), 1) || !keep_longest(self->latency, NAME(_longest_sec), sec)) return false;
    int exponent;
    const double mantissa = std::frexp(sec > 1e-9 ? sec : 1e-9, &exponent);
    const Ref bucket(PyLong_FromLong(exponent * 16 + static_cast<int>(mantissa * 32)));
    PyObject *count = bucket ? PyDict_GetItemWithError(self->buckets, bucket) : nullptr;
    if (PyErr_Occurred()) return false;
    const Ref more(PyLong_FromLong(count ? PyLong_AsLong(count) + 1 : 1));
    return more && PyDict_SetItem(self->buckets, bucket, more) == 0;
}

// As `Subscription.call` up to the callback.
bool count(Taker *self, const Found &found, int64_t now_ns) {
    const int64_t stamp = found.record.stamp;
    const bool has_latency = self->since_ns <= stamp && stamp <= now_ns + 1000000000;
    if (has_latency && !add_latency(self, (now_ns - stamp) * 1e-9)) return false;
    if (!add(self->subscription, NAME(_given), 1)) return false;
    if (!PyList_GET_SIZE(self->watchdogs)) return true;
    const Ref waited(NAME(_waited_sec).of(self->subscription));
    for (Py_ssize_t i = 0; waited && i < PyList_GET_SIZE(self->watchdogs); i++) {
        const Ref watchdog(Py_NewRef(PyList_GET_ITEM(self->watchdogs, i)));
        if (!Ref(PyObject_CallMethodOneArg(watchdog, NAME(heard), waited))) return false;
    }
    return waited;
}

bool is_over(PyObject *dispatcher) { return !is_attribute(dispatcher, NAME(is_over), Py_False); }

// As `Subscription._call`.
PyObject *result_of(Taker *self, const Found &found, PyObject *message, int64_t now_ns) {
    if (self->info == Py_None) return PyObject_CallOneArg(self->callback, message);
    const Record &record = found.record;
    const Ref info(PyObject_CallFunction(self->info, "OKKKLK", found.sender.held, record.id, record.seq, record.stamp,
                                         static_cast<long long>(now_ns), record.at));
    return info ? PyObject_CallFunctionObjArgs(self->callback, message, info.held, nullptr) : nullptr;
}

// As `Dispatcher.call_now`: whether the next message may be next.
Step call(Taker *self, const Found &found, PyObject *message, int64_t now_ns) {
    const Ref result(result_of(self, found, message, now_ns));
    if (result == Py_None) return is_over(self->dispatcher) ? STOP : DONE;
    // `failed` raises again what is no error of the callback, such as KeyboardInterrupt.
    const Ref error(result ? nullptr : taken_error());
    const Ref goes_on(result ? PyObject_CallMethodObjArgs(self->dispatcher, NAME(returned), self->subscription, result.held, nullptr)
                             : PyObject_CallMethodObjArgs(self->dispatcher, NAME(failed), self->subscription, error.held, nullptr));
    return goes_on == Py_True ? DONE : STOP;
}

// As `Subscription.call`, with what `LinkReader.take` does before: whether the next message may be next.
Step deliver(Taker *self, const Found &found, PyObject *message, int64_t now_ns) {
    if (!pass(self, found) || !NAME(_began).set(self->subscription, Py_True)) return STOP;
    if (self->has_expired != Py_None) {
        const Record &record = found.record;
        const Ref entry(PyObject_CallFunction(self->entry, "KKKLOy", record.id, record.seq, record.stamp,
                                              static_cast<long long>(record.at), found.sender.held, ""));
        const Ref expired(entry ? PyObject_CallOneArg(self->has_expired, entry) : nullptr);
        if (!expired || expired == Py_True) return !expired || is_over(self->dispatcher) ? STOP : DONE;
    }
    return count(self, found, now_ns) ? call(self, found, message, now_ns) : STOP;
}

// The message; nullptr, perhaps with an exception set: Python words what is wrong with the text.
// A type without a plan reads the bytes of a ring, and the text of a socket.
PyObject *message_of(Taker *self, const char *text, size_t length) {
    if (is_plan(self->load)) return load_text(self->load, text, length);
    const Ref given(self->map.bytes ? PyBytes_FromStringAndSize(text, length) : text_of(text, length));
    PyObject *message = given ? PyObject_CallOneArg(self->load, given) : nullptr;
    if (!message && PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_Exception)) PyErr_Clear();
    return message;
}

// A usual record, whose text this is, to the callback; before that its source is passed, which may fail with an exception.
template <class PassSource>
Step give(Taker *self, const Found &found, const char *text, size_t length, PassSource pass_source) {
    const int64_t now_ns = wall_ns();
    const Ref message(now_ns < 0 ? nullptr : message_of(self, text, length));
    return message && pass_source() ? deliver(self, found, message, now_ns) : ODD;
}

Step take_one(Taker *self, uint64_t head, Buffer &text) {
    const Mapped &map = self->map;
    const int64_t after = number_of(self->cursor, NAME(after));
    if (after < 0 || static_cast<uint64_t>(after) > head) return ODD;
    if (static_cast<uint64_t>(after) == head) return EMPTY;
    if (is_attribute(self->subscription, NAME(_closed), Py_True)) return ODD;
    const uint64_t extent = map.load(EXTENT) ? map.load(EXTENT) : map.load(CLOSED);
    const uint64_t stop = DATA - MARK_BYTES + (extent < map.capacity ? extent : map.capacity);
    Found found;
    if (!copy(self, after + 1, stop, found, text) || !is_next(self, found.record) || !follows(self, found)) return ODD;
    const size_t names = found.record.names;
    return give(self, found, text.bytes + names, text.size - names, [&] { return pass_ring(self, found); });
}

// Whether callbacks may be called now, as `Dispatcher.call_now` asks; the time is then in `until_sec`.
bool may(Taker *self, double now_sec, double &until_sec) {
    until_sec = double_of(self->dispatcher, NAME(_may_call_until_sec));
    if (PyErr_Occurred() || now_sec > until_sec) return false;
    if (!is_attribute(self->dispatcher, NAME(is_calling), Py_False) || PyObject_Size(self->mail)) return false;
    return PyDict_Contains(self->held, self->subscription) == 0;
}

// As `Dispatcher._took`, which makes the entry, and tells of a callback that has blocked.
void add_busy(Taker *self, long called, double took_sec, double longest_sec) {
    PyObject *busy = PyDict_GetItemWithError(self->busy, self->callback_name);
    if (PyErr_Occurred()) return;
    if (!busy || longest_sec > BLOCKED_SEC) {
        const Ref took(PyObject_CallMethod(self->dispatcher, "_took", "Oddl", self->callback_name, took_sec, longest_sec, called));
        return;
    }
    const double busy_sec = double_of(busy, NAME(busy_sec));
    if (PyErr_Occurred() || !set_double(busy, NAME(busy_sec), busy_sec + took_sec)) return;
    if (add(busy, NAME(calls), called)) keep_longest(busy, NAME(longest_sec), longest_sec);
}

// As the end of `Dispatcher.call_now`; an exception that is set stays.
void called_until(Taker *self, long called, double took_sec, double longest_sec) {
    after_an_error_too([=] {
        if (NAME(is_calling).set(self->dispatcher, Py_False) && called) add_busy(self, called, took_sec, longest_sec);
    });
}

// EMPTY: all is read, or the time is up and the rest waits in the ring; ODD: Python reads on.
Step take_all(Taker *self) {
    const double began_sec = monotonic_ns() * 1e-9;
    double until_sec = 0, now_sec = began_sec, longest_sec = 0;
    if (!self->map.bytes || !may(self, began_sec, until_sec)) return ODD;
    if (!self->map.is_whole(static_cast<int64_t>(began_sec * 1e9))) return ODD;
    const uint64_t head = self->map.load(HEAD);
    const int64_t after = number_of(self->cursor, NAME(after)), depth = number_of(self->cursor, NAME(depth));
    const uint64_t behind = head - after;
    if (after < 0 || depth < 0 || behind > MOST_AHEAD || (depth && behind > static_cast<uint64_t>(depth))) return ODD;
    if (!behind) return EMPTY;
    if (!NAME(is_calling).set(self->dispatcher, Py_True)) return ODD;
    Buffer text;
    Step step;
    long called = 0;
    do {
        step = take_one(self, head, text);
        if (step == ODD || step == EMPTY) break;
        called++;
        const double was_sec = now_sec;
        now_sec = monotonic_ns() * 1e-9;
        if (now_sec - was_sec > longest_sec) longest_sec = now_sec - was_sec;
    } while (step == DONE && now_sec <= until_sec && !PyErr_Occurred());
    called_until(self, called, now_sec - began_sec, longest_sec);
    return PyErr_Occurred() || step == STOP || step == ODD ? ODD : EMPTY;
}

PyObject *take(PyObject *object, PyObject *) {
    const Step step = take_all(reinterpret_cast<Taker *>(object));
    return PyErr_Occurred() ? nullptr : PyBool_FromLong(step == EMPTY);
}

PyObject *make(PyTypeObject *type, PyObject *args, PyObject *) {
    PyObject *given[Taker::HELD], *memory;
    int file;
    unsigned int seat;
    long long since_ns;
    if (!PyArg_ParseTuple(args, "OO!OO!OOOO!O!OO!O!OOO!OOOOiIL", &given[0], &PyDict_Type, &given[1], &given[2],
                          &PyDict_Type, &given[3], &given[4], &given[5], &given[6], &PyDict_Type, &given[7],
                          &PyList_Type, &given[8], &given[9], &PyDict_Type, &given[10], &PyDict_Type, &given[11],
                          &given[12], &given[13], &PyUnicode_Type, &given[14], &given[15], &given[16],
                          &given[17], &memory, &file, &seat, &since_ns))
        return nullptr;
    if (seat >= MOST_READERS) return PyErr_SetString(PyExc_ValueError, "there is no such seat"), nullptr;
    Taker *self = SeamType<Taker>::make(type, given, memory, file);
    if (self) self->seat = seat, self->since_ns = since_ns;
    return reinterpret_cast<PyObject *>(self);
}

PyTypeObject taker_type = {PyVarObject_HEAD_INIT(nullptr, 0)};
PyMethodDef methods[] = {{"take", take, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};

// ---- what a node's bell calls: as `Dispatcher.__call__` of rings where nothing else waits

// Whether a dispatcher has nothing to do but what has just come.
bool is_idle(PyObject *dispatcher) {
    return is_empty(dispatcher, NAME(_arrivals)) && is_empty(dispatcher, NAME(_when_drained)) &&
           is_attribute(dispatcher, NAME(one), Py_None) && is_attribute(dispatcher, NAME(_is_due), Py_False) &&
           !is_over(dispatcher) && !is_attribute(dispatcher, NAME(loop), Py_None);
}

bool is_at_rest(PyObject *dispatcher, PyObject *rings) {
    return is_idle(dispatcher) && is_attribute(rings, NAME(_is_closed), Py_False);
}

Taker *taker_in(PyObject *take) {  // whose method it is; nullptr: it is another's
    PyObject *self = PyCFunction_Check(take) ? PyCFunction_GET_SELF(take) : nullptr;
    return self && Py_IS_TYPE(self, &taker_type) ? reinterpret_cast<Taker *>(self) : nullptr;
}

// The reading's taker, if it is still read and has one: (ring_reader, reader, take).
Taker *taker_of(PyObject *reading, PyObject *topic, PyObject *all) {
    if (PyDict_GetItemWithError(all, topic) != reading || PyTuple_GET_SIZE(reading) != 3) return nullptr;
    return taker_in(PyTuple_GET_ITEM(reading, 2));
}

// As `Bell.arm`: whether the next message will ring.
bool rest(PyObject *rings, PyObject *all, int bell) {
    PyObject *topic, *reading;
    Py_ssize_t at = 0;
    while (PyDict_Next(all, &at, &topic, &reading)) {
        const Taker *taker = taker_of(reading, topic, all);
        if (!taker) return false;
        __atomic_store_n(taker->map.bytes + ASLEEP + taker->seat, 1, __ATOMIC_RELEASE);
    }
    char rung[4096];
    while (read(bell, rung, sizeof rung) == sizeof rung) {}
    if (!NAME(_is_drained).set(rings, Py_False)) return false;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (at = 0; PyDict_Next(all, &at, &topic, &reading);) {
        const Taker *taker = taker_of(reading, topic, all);
        if (!taker || !__atomic_load_n(taker->map.bytes + ASLEEP + taker->seat, __ATOMIC_ACQUIRE)) return false;
        if (static_cast<int64_t>(taker->map.load(HEAD)) != number_of(taker->cursor, NAME(after))) return false;
    }
    return true;
}

// False: `Dispatcher.__call__` has to go on from here, whatever is done already.
bool wake(PyObject *dispatcher, PyObject *rings, PyObject *all, int bell) {
    if (!is_at_rest(dispatcher, rings) || !is_attribute(rings, NAME(_is_drained), Py_False)) return false;
    const Ref items(PyDict_Items(all)), none(PyFloat_FromDouble(0.0));
    if (!items || !none) return false;
    bool is_read = true;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items.held) && is_read; i++) {
        PyObject *item = PyList_GET_ITEM(items.held, i);
        Taker *taker = taker_of(PyTuple_GET_ITEM(item, 1), PyTuple_GET_ITEM(item, 0), all);
        if (i == 0 && !set_double(dispatcher, NAME(_may_call_until_sec), monotonic_ns() * 1e-9 + DISPATCH_SEC)) return false;
        is_read = taker && !is_attribute(dispatcher, NAME(loop), Py_None) && take_all(taker) == EMPTY;
    }
    after_an_error_too([&] { NAME(_may_call_until_sec).set(dispatcher, none); });
    return is_read && !PyErr_Occurred() && is_at_rest(dispatcher, rings) && rest(rings, all, bell);
}

// ---- what a node's socket calls: as `Dispatcher.__call__` of a link whose next frame is a usual push

// A frame as `encode_push` of dsmq/wire.py writes it, without a gap.
struct Push : Frame {
    const char *topic = nullptr, *sender = nullptr;
    size_t topic_length = 0, sender_length = 0;
    using Frame::Frame;
    bool take_head(Record &record) {
        return is_alone() && take("{\"event\":\"message\",\"topic\":") && take_name(topic, topic_length) &&
               take(",\"id\":") && take_number(record.id) && take(",\"from\":") &&
               take_name(sender, sender_length) && take(",\"seq\":") && take_number(record.seq) &&
               take(",\"stamp\":") && take_number(record.stamp) && take(",\"at\":") && take_number(record.at) &&
               take(",\"message\":\"");
    }
    bool take_message(Buffer &text) {  // without its escapes; false: it has one that is not usual
        char *to = text.room(end - at + 1);
        if (!to) return false;
        for (; at < end && *at != '"'; at++, to++) {
            if (static_cast<unsigned char>(*at) < 0x20) return false;
            if (*at == '\\' && (++at == end || (*at != '"' && *at != '\\'))) return false;
            *to = *at;
        }
        text.size = to - text.bytes;
        return take("\"}") && at == end;
    }
};

Step take_push(Taker *self, PyObject *incoming, Push &push, Found &found) {
    double until_sec = 0;
    const double began_sec = monotonic_ns() * 1e-9;
    if (!may(self, began_sec, until_sec) || is_attribute(self->subscription, NAME(_closed), Py_True)) return ODD;
    found.sender = text_of(push.sender + 1, push.sender_length - 2);
    if (!found.sender || !is_next(self, found.record) || !follows(self, found)) return ODD;
    Buffer text;
    if (!push.take_message(text) || !NAME(is_calling).set(self->dispatcher, Py_True)) return ODD;
    const auto pass_source = [&] { return NAME(gave_no_answer).set(incoming, Py_False); };
    const Step step = give(self, found, text.bytes, text.size, pass_source);
    const double took_sec = monotonic_ns() * 1e-9 - began_sec;
    called_until(self, step != ODD, took_sec, took_sec);
    return step;
}

struct Socket {  // of a link: its dispatcher, its reading half, its connection and decoder, its takers and its heartbeat
    PyObject *dispatcher, *incoming, *connection, *decoder, *takers, *heartbeat;
    int descriptor;
    int64_t ahead_ns;
};

// Nothing is read that is not yet cut, and no answer is awaited.
bool is_between_frames(const Socket &socket) {
    const Ref none(PyTuple_New(0));
    return is_attribute(socket.connection, NAME(_bodies), none) && is_empty(socket.decoder, NAME(_buffer)) &&
           number_of(socket.heartbeat, NAME(unanswered)) == 0;
}

Step take_frame(const Socket &socket, const char *frame, size_t size) {
    Push push(frame, size);
    Found found = {};
    if (!push.take_head(found.record)) return ODD;
    if (found.record.at) found.record.at -= socket.ahead_ns;
    const Ref topic(PyBytes_FromStringAndSize(push.topic, push.topic_length));
    const Ref take(topic ? Py_XNewRef(PyDict_GetItemWithError(socket.takers, topic)) : nullptr);
    Taker *self = take ? taker_in(take) : nullptr;
    const double until_sec = monotonic_ns() * 1e-9 + DISPATCH_SEC;
    if (!self || !set_double(socket.dispatcher, NAME(_may_call_until_sec), until_sec)) return ODD;
    const Step step = take_push(self, socket.incoming, push, found);
    after_an_error_too([&] { set_double(socket.dispatcher, NAME(_may_call_until_sec), 0.0); });
    return step;
}

// False: `Dispatcher.__call__` has to go on from here.
bool receive(const Socket &socket) {
    if (!is_idle(socket.dispatcher) || !is_between_frames(socket)) return false;
    const auto use = [&](const char *frame, size_t size) { return take_frame(socket, frame, size); };
    const auto cut = [&](const char *frame, Py_ssize_t size) {
        const Ref fed(PyObject_CallMethod(socket.connection, "has_read", "y#", frame, size));
        return ODD;
    };
    const Step step = read_once(socket.descriptor, use, cut);
    return step == EMPTY || (step != ODD && !PyErr_Occurred() && is_idle(socket.dispatcher));
}

}  // namespace

// wake(dispatcher, rings, the dict of what they read, the bell's descriptor): what the dispatcher does with the rings.
PyObject *seam::wake(PyObject *, PyObject *const *args, Py_ssize_t count) {
    if (count != 4 || !PyDict_Check(args[2])) return PyErr_BadArgument(), nullptr;
    const int bell = static_cast<int>(PyLong_AsLong(args[3]));
    return answer(!PyErr_Occurred() && ::wake(args[0], args[1], args[2], bell), args[0], args[1]);
}

// receive(the six of `Socket`, its descriptor, how far the broker's clock is ahead in ns)
PyObject *seam::receive(PyObject *, PyObject *const *args, Py_ssize_t count) {
    if (count != 8 || !PyDict_Check(args[4])) return PyErr_BadArgument(), nullptr;
    const Socket socket = {args[0], args[1], args[2], args[3], args[4], args[5],
                           static_cast<int>(PyLong_AsLong(args[6])), PyLong_AsLongLong(args[7])};
    return answer(!PyErr_Occurred() && ::receive(socket), args[0], args[1]);
}

int add_take(PyObject *module) {
    PyTypeObject &type = taker_type;
    type.tp_name = "dsmq_nodes.speedups._speedups.Taker";
    SeamType<Taker>::describe(type);
    type.tp_new = make;
    type.tp_methods = methods;
    return PyModule_AddType(module, &type);
}
