// The seam `append`: a message object goes into a ring, or to a link's socket, in one call.
//
// It does what `append_now` of graph/links/outgoing.py does with the message that is usual, and
// `send_now` beside it where the topic has no ring: `writer` is None then. The
// order of the steps is that of `Writer.append` in dsmq/ring/writer.py. Whatever is not usual is
// left to that Python, before anything is written: a value that the plan does not know, a large field, a
// link that has to wait, another thread or process that writes just now, a lap that ends.
#include "ring.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>

namespace {

using namespace ring;

constexpr size_t MOST_BODY_BYTES = 8999999, MOST_BYTES = MOST_BODY_BYTES / 2, HEADER_BYTES = 23;
constexpr int64_t LOOK_AGAIN_NS = 10000000, OWNS_AFTER = 100;

struct Appender {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *slow, *msg_type, *dump, *publication, *writer, *outgoing, *unanswered, *look, *lock, *names;
    PyObject *bells, *ring_bell;
    Mapped map;
    int64_t now_ns, look_again_ns, alone;  // the last: appends since another writer's
    int is_ordered;
    static constexpr int GIVEN = 12, HELD = 12;
    PyObject **references() { return &slow; }
};

// The link's, without waiting. A process of one thread needs none: nobody else can hold it.
struct Lock {
    PyObject *lock;
    bool is_ours, is_taken = false;
    explicit Lock(PyObject *it) : lock(it) {
        is_ours = !PyThreadState_Next(PyInterpreterState_ThreadHead(PyInterpreterState_Get()));
        if (is_ours) return;
        const Ref taken(PyObject_CallMethodOneArg(lock, NAME(acquire), Py_False));
        is_ours = is_taken = taken == Py_True;
    }
    ~Lock() {
        if (!is_taken) return;
        after_an_error_too([this] { const Ref done(PyObject_CallMethodNoArgs(lock, NAME(release))); });
    }
};

int odd() { return PyErr_Occurred() ? -1 : 0; }

// The ring, for one append: as its owner (see "Owning" in dsmq/ring/ring.py), or with its lock; it
// does not wait.
struct Turn {
    Appender *self;
    bool is_ours = false, is_locked = false;
    explicit Turn(Appender *it) : self(it) {
        if (is_attribute(self->writer, NAME(owns), Py_True)) {
            self->map.store(BUSY, 1);
            __atomic_thread_fence(__ATOMIC_SEQ_CST);
            if ((is_ours = self->map.load(OWNER) == OWNED)) return;
            self->map.store(BUSY, 0);
            self->alone = 0;
            const Ref done(PyObject_CallMethodNoArgs(self->writer, NAME(disown)));
            if (!done) return;
        }
        is_locked = flock(self->map.file, LOCK_EX | LOCK_NB) == 0;
        is_ours = is_locked && !self->map.load(OWNER);
    }
    int end() {  // after an append
        if (!is_locked || ++self->alone != OWNS_AFTER) return 1;
        const Ref done(PyObject_CallMethodNoArgs(self->writer, NAME(own)));
        return done ? 1 : -1;
    }
    ~Turn() {
        if (is_locked) flock(self->map.file, LOCK_UN);
        else if (is_ours) self->map.store(BUSY, 0);
    }
};

int wake(Appender *self) {
    for (uint64_t seat = 0; seat < MOST_READERS; seat++) {
        if (seat % 8 == 0 && !self->map.load((ASLEEP + seat) / 8)) seat += 8;
        if (seat >= MOST_READERS) break;
        char *asleep = self->map.bytes + ASLEEP + seat;
        if (!__atomic_load_n(asleep, __ATOMIC_ACQUIRE)) continue;
        __atomic_store_n(asleep, 0, __ATOMIC_RELEASE);
        const Ref reader(PyLong_FromUnsignedLongLong(self->map.load(READERS + 4 * seat)));
        if (!reader) return -1;
        PyObject *bell = PyDict_GetItemWithError(self->bells, reader);
        if (bell && (write(static_cast<int>(PyLong_AsLong(bell)), "", 1) == 1 || errno == EAGAIN)) continue;
        if (PyErr_Occurred()) return -1;
        const Ref done(PyObject_CallOneArg(self->ring_bell, reader));  // it is opened first, or hung up
        if (!done) return -1;
    }
    return 1;
}

// 1: it is in the ring; 0: nothing was done; -1 with an exception set.
int put(Appender *self, const Buffer &text, int64_t seq) {
    Mapped &map = self->map;
    if (!map.is_whole(self->now_ns)) return 0;
    Turn turn(self);
    if (!turn.is_ours) return odd();
    const int64_t last = number_of(self->writer, NAME(_last_id)), begun = number_of(self->writer, NAME(_end));
    const uint64_t head = map.load(HEAD), extent = map.load(EXTENT), start = begun;
    if (begun < 0 || last < 0 || head != static_cast<uint64_t>(last) || map.load(RESERVE) != start)
        return self->alone = 0, odd();
    const uint64_t names = PyBytes_GET_SIZE(self->names), length = text.size, id = head + 1;
    const uint64_t size = (sizeof(Record) + names + length + 7) & ~UINT64_C(7), offset = start % map.capacity;
    if (offset + size + MARK_BYTES > extent || extent > map.capacity || offset % 8) return 0;
    const int64_t stamp_ns = wall_ns();
    if (stamp_ns < 0 || set_number(self->writer, NAME(_last_id), id) < 0) return -1;
    if (set_number(self->writer, NAME(_end), start + size) < 0) return -1;
    map.store(RESERVE, start + size);
    __atomic_thread_fence(__ATOMIC_RELEASE);  // before the record
    Record record = {id, static_cast<uint64_t>(stamp_ns), static_cast<uint64_t>(self->now_ns),
                     static_cast<uint64_t>(seq), 0, length << 32, static_cast<uint32_t>(names), 0};
    if (!self->is_ordered) record.check = checksum(id, text.bytes, length);
    char *to = map.bytes + DATA + offset;
    memcpy(to, &record, sizeof record);
    memcpy(to + sizeof record, PyBytes_AS_STRING(self->names), names);
    memcpy(to + sizeof record + names, text.bytes, length);
    map.store(INDEX + id % INDEX_SIZE, start);
    map.store(HEAD, id);
    return turn.end();
}

// The message's text: by its plan, or as its type dumps itself: (text, field, raw).
int dump(Appender *self, PyObject *message, Buffer &text) {
    if (is_plan(self->dump)) return dump_message(self->dump, message, text);
    const Ref parts(PyObject_CallOneArg(self->dump, message));
    if (!parts) return -1;
    if (!PyTuple_Check(parts.held) || PyTuple_GET_SIZE(parts.held) != 3) return 0;
    PyObject *bytes = PyTuple_GET_ITEM(parts.held, 0);
    if (!PyBytes_Check(bytes) || PyObject_Size(PyTuple_GET_ITEM(parts.held, 1))) return odd();
    return text.put(PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes));
}

// The frame of a put, as `encode_put` of dsmq/wire.py writes it: 0: the text has what no JSON has.
int frame_of(Appender *self, const Buffer &text, int64_t seq, int64_t stamp_ns, Buffer &frame) {
    const size_t topic = PyBytes_GET_SIZE(self->names);
    char *const start = frame.room(160 + topic + 2 * text.size);
    if (!start) return -1;
    char *to = start + HEADER_BYTES;
    const auto put = [&to](const char *word, size_t length) { memcpy(to, word, length), to += length; };
    put("{\"action\":\"put\",\"topic\":", 24);
    put(PyBytes_AS_STRING(self->names), topic);
    to += PyOS_snprintf(to, 80, ",\"seq\":%lld,\"stamp\":%lld,\"message\":\"", static_cast<long long>(seq),
                        static_cast<long long>(stamp_ns));
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.bytes[i];
        if (static_cast<unsigned char>(c) < 0x20) return 0;
        if (c == '"' || c == '\\') *to++ = '\\';
        *to++ = c;
    }
    put("\"}", 2);
    const size_t length = to - start - HEADER_BYTES;
    if (length > MOST_BODY_BYTES) return 0;
    char header[HEADER_BYTES + 1];
    PyOS_snprintf(header, sizeof header, "{\"msg_length\": %07zu}", 1000000 + length);
    memcpy(start, header, HEADER_BYTES);
    frame.size = to - start;
    return 1;
}

// 1: it is sent; 2: in part, and the rest waits; 0: nothing was done; -1 with an exception set.
int send_put(Appender *self, PyObject *stream, const Buffer &text, int64_t seq) {
    const Ref stream_lock(NAME(lock).of(stream));
    if (!stream_lock) return -1;
    const Lock lock(stream_lock);
    if (!lock.is_ours || !is_attribute(stream, NAME(_room), Py_None)) return odd();
    if (!is_attribute(self->outgoing, NAME(_is_stalled), Py_False) || number_of(stream, NAME(waiting_bytes)) != 0)
        return odd();
    const int64_t stamp_ns = wall_ns(), descriptor = number_of(stream, NAME(descriptor));
    if (stamp_ns < 0 || descriptor < 0) return odd();
    Buffer frame;
    int done = frame_of(self, text, seq, stamp_ns, frame);
    if (done == 1) {
        const ssize_t sent = send(static_cast<int>(descriptor), frame.bytes, frame.size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent <= 0) done = 0;
        else if (static_cast<size_t>(sent) < frame.size) {
            const Ref begun(PyObject_CallMethod(stream, "has_begun", "y#nO", frame.bytes,
                                                static_cast<Py_ssize_t>(frame.size), sent, self->publication));
            done = begun ? 2 : -1;
        }
    }
    return done;
}

// The way of a usual message, with the link's lock.
int append_locked(Appender *self, PyObject *stream, const Buffer &text) {
    const Lock lock(self->lock);
    if (!lock.is_ours || !is_attribute(self->publication, NAME(writer), self->writer)) return odd();
    const int64_t messages = number_of(self->publication, NAME(messages));
    if (messages < 0 || number_of(self->publication, NAME(latched)) != 0) return odd();
    const bool has_ring = self->map.bytes;
    const int done = has_ring ? put(self, text, messages + 1) : send_put(self, stream, text, messages + 1);
    if (done <= 0) return done;
    if (set_number(self->publication, NAME(messages), messages + 1) < 0) return -1;
    if (!has_ring) return done;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return wake(self);
}

int append(Appender *self, PyObject *message, Buffer &text) {
    if (reinterpret_cast<PyObject *>(Py_TYPE(message)) != self->msg_type) return 0;
    if (!is_attribute(self->publication, NAME(writer), self->writer)) return odd();
    self->now_ns = monotonic_ns();
    if (is_attribute(self->outgoing, NAME(loop), Py_None) && self->now_ns >= self->look_again_ns) {
        const Ref looked(PyObject_CallNoArgs(self->look));
        if (!looked) return -1;
        self->look_again_ns = self->now_ns + LOOK_AGAIN_NS;
    }
    const Ref stream(NAME(stream).of(self->outgoing));
    if (!stream || stream == Py_None || PySet_GET_SIZE(self->unanswered)) return odd();
    if (number_of(stream, NAME(waiting_bytes)) != 0) return odd();
    const int dumped = dump(self, message, text);
    if (dumped <= 0 || text.size > MOST_BYTES) return dumped < 0 ? -1 : 0;
    const int done = append_locked(self, stream, text);
    if (done != 2) return done;
    const Ref sent(PyObject_CallMethodOneArg(self->outgoing, NAME(sent_in_part), stream));
    return sent ? 1 : -1;
}

PyObject *call(PyObject *object, PyObject *const *args, size_t count, PyObject *names) {
    Appender *self = reinterpret_cast<Appender *>(object);
    int done = 0;
    if (PyVectorcall_NARGS(count) == 1 && !names) {
        Buffer text;
        done = append(self, args[0], text);
    }
    if (done < 0) return nullptr;
    if (done) Py_RETURN_NONE;
    return PyObject_Vectorcall(self->slow, args, count, names);
}

PyObject *make(PyTypeObject *type, PyObject *args, PyObject *) {
    PyObject *given[Appender::GIVEN], *memory;
    int file, is_ordered;
    if (!PyArg_ParseTuple(args, "OOOOOOO!OOO!O!OOip", &given[0], &given[1], &given[2], &given[3], &given[4],
                          &given[5], &PySet_Type, &given[6], &given[7], &given[8], &PyBytes_Type, &given[9],
                          &PyDict_Type, &given[10], &given[11], &memory, &file, &is_ordered))
        return nullptr;
    Appender *self = SeamType<Appender>::make(type, given, memory, file);
    if (self) self->call = call, self->is_ordered = is_ordered;
    return reinterpret_cast<PyObject *>(self);
}

PyTypeObject appender_type = {PyVarObject_HEAD_INIT(nullptr, 0)};

}  // namespace

int add_append(PyObject *module) {
    PyTypeObject &type = appender_type;
    type.tp_name = "dsmq_nodes.speedups._speedups.Appender";
    SeamType<Appender>::describe(type);
    type.tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
    type.tp_new = make;
    type.tp_call = PyVectorcall_Call;
    type.tp_vectorcall_offset = offsetof(Appender, call);
    return PyModule_AddType(module, &type);
}
