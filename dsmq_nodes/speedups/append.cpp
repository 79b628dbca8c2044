// The seam `append`: a message object goes into a ring, or to a link's socket, in one call.
//
// It does what `append_now` of graph/links/outgoing.py does with the message that is usual, and
// `send_now` beside it where the topic has no ring: `writer` is None then. The
// order of the steps is that of `Writer.append` in dsmq/ring/writer.py. Whatever is not usual is
// left to that Python, before anything is written: a value that the plan does not know, a large field, a
// link that has to wait, another thread or process that writes just now, a lap that ends.
#include "frames.h"
#include "ring.h"

#include <sys/file.h>
#include <unistd.h>

#include <cstddef>

namespace {

using namespace ring;

constexpr size_t MOST_BYTES = MOST_BODY_BYTES / 2;
constexpr int64_t LOOK_AGAIN_NS = 10000000, OWNS_AFTER = 100;

struct Appender {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *slow, *msg_type, *dump, *publication, *writer, *outgoing, *unanswered, *look, *lock, *names;
    PyObject *bells, *ring_bell;
    Mapped map;
    int64_t now_ns, look_again_ns, alone;  // the last: appends since another writer's
    int is_ordered;
    static constexpr int HELD = 12;
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
    bool end() {  // after an append
        return !is_locked || ++self->alone != OWNS_AFTER || Ref(PyObject_CallMethodNoArgs(self->writer, NAME(own)));
    }
    ~Turn() {
        if (is_locked) flock(self->map.file, LOCK_UN);
        else if (is_ours) self->map.store(BUSY, 0);
    }
};

bool wake(Appender *self) {
    for (uint64_t seat = 0; seat < MOST_READERS; seat++) {
        if (seat % 8 == 0 && !self->map.load((ASLEEP + seat) / 8)) seat += 8;
        if (seat >= MOST_READERS) break;
        char *asleep = self->map.bytes + ASLEEP + seat;
        if (!__atomic_load_n(asleep, __ATOMIC_ACQUIRE)) continue;
        __atomic_store_n(asleep, 0, __ATOMIC_RELEASE);
        const Ref reader(PyLong_FromUnsignedLongLong(self->map.load(READERS + 4 * seat)));
        PyObject *bell = reader ? PyDict_GetItemWithError(self->bells, reader) : nullptr;
        if (bell && (write(static_cast<int>(PyLong_AsLong(bell)), "", 1) == 1 || errno == EAGAIN)) continue;
        if (PyErr_Occurred()) return false;
        if (!Ref(PyObject_CallOneArg(self->ring_bell, reader))) return false;  // it is opened first, or hung up
    }
    return true;
}

// Into the ring. False without an exception: nothing was done.
bool put(Appender *self, const Buffer &text, int64_t seq) {
    Mapped &map = self->map;
    if (!map.is_whole(self->now_ns)) return false;
    Turn turn(self);
    if (!turn.is_ours) return false;
    const int64_t last = number_of(self->writer, NAME(_last_id)), begun = number_of(self->writer, NAME(_end));
    const uint64_t head = map.load(HEAD), extent = map.load(EXTENT), start = begun;
    if (begun < 0 || last < 0 || head != static_cast<uint64_t>(last) || map.load(RESERVE) != start)
        return self->alone = 0, false;
    const uint64_t names = PyBytes_GET_SIZE(self->names), length = text.size, id = head + 1;
    const uint64_t size = (sizeof(Record) + names + length + 7) & ~UINT64_C(7), offset = start % map.capacity;
    if (offset + size + MARK_BYTES > extent || extent > map.capacity || offset % 8) return false;
    const int64_t stamp_ns = wall_ns();
    const uint64_t check = self->is_ordered ? 0 : checksum(id, text.bytes, length);
    if (stamp_ns < 0 || PyErr_Occurred() || !set_number(self->writer, NAME(_last_id), id)) return false;
    if (!set_number(self->writer, NAME(_end), start + size)) return false;
    map.store(RESERVE, start + size);
    __atomic_thread_fence(__ATOMIC_RELEASE);  // before the record
    const Record record = {id, static_cast<uint64_t>(stamp_ns), static_cast<uint64_t>(self->now_ns),
                           static_cast<uint64_t>(seq), check, length << 32, static_cast<uint32_t>(names), 0};
    char *to = map.bytes + DATA + offset;
    memcpy(to, &record, sizeof record);
    memcpy(to + sizeof record, PyBytes_AS_STRING(self->names), names);
    memcpy(to + sizeof record + names, text.bytes, length);
    map.store(INDEX + id % INDEX_SIZE, start);
    map.store(HEAD, id);
    return turn.end();
}

// The message's text: by its plan, or as its type dumps itself: (text, field, raw).
bool dump(Appender *self, PyObject *message, Buffer &text) {
    if (is_plan(self->dump)) return dump_message(self->dump, message, text);
    const Ref parts(PyObject_CallOneArg(self->dump, message));
    if (!parts || !PyTuple_Check(parts.held) || PyTuple_GET_SIZE(parts.held) != 3) return false;
    PyObject *bytes = PyTuple_GET_ITEM(parts.held, 0);
    return PyBytes_Check(bytes) && PyObject_Size(PyTuple_GET_ITEM(parts.held, 1)) == 0 && text.put(bytes);
}

// A put, as `encode_put` of dsmq/wire.py writes it. EMPTY: it is sent in part, and the rest waits; ODD: nothing was done.
Step send_put(Appender *self, PyObject *stream, const Buffer &text, int64_t seq) {
    const Ref stream_lock(NAME(lock).of(stream));
    if (!stream_lock) return ODD;
    const Lock lock(stream_lock);
    if (!lock.is_ours || !is_attribute(stream, NAME(_room), Py_None)) return ODD;
    if (!is_attribute(self->outgoing, NAME(_is_stalled), Py_False) || number_of(stream, NAME(waiting_bytes)) != 0) return ODD;
    const int64_t stamp_ns = wall_ns(), descriptor = number_of(stream, NAME(descriptor));
    NewFrame frame;
    const bool is_whole = stamp_ns >= 0 && descriptor >= 0 && frame.put("{\"action\":\"put\",\"topic\":") &&
                          frame.put(self->names) && frame.put(",\"seq\":") && frame.put_number(seq) && frame.put(",\"stamp\":") &&
                          frame.put_number(stamp_ns) && frame.put(",\"message\":\"") && frame.put_escaped(text) &&
                          frame.put("\"}") && frame.finish();
    if (!is_whole) return ODD;
    const ssize_t sent = send(static_cast<int>(descriptor), frame.bytes, frame.size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent <= 0) return ODD;
    const Py_ssize_t size = frame.size;
    if (sent == size) return DONE;
    return Ref(PyObject_CallMethod(stream, "has_begun", "y#nO", frame.bytes, size, sent, self->publication)) ? EMPTY : ODD;
}

// The way of a usual message, with the link's lock.
Step append_locked(Appender *self, PyObject *stream, const Buffer &text) {
    const Lock lock(self->lock);
    if (!lock.is_ours || !is_attribute(self->publication, NAME(writer), self->writer)) return ODD;
    const int64_t messages = number_of(self->publication, NAME(messages));
    if (messages < 0 || number_of(self->publication, NAME(latched)) != 0) return ODD;
    const bool has_ring = self->map.bytes;
    const Step step = !has_ring ? send_put(self, stream, text, messages + 1) : put(self, text, messages + 1) ? DONE : ODD;
    if (step == ODD || !set_number(self->publication, NAME(messages), messages + 1) || !has_ring) return step;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return wake(self) ? DONE : ODD;
}

bool append(Appender *self, PyObject *message) {
    if (reinterpret_cast<PyObject *>(Py_TYPE(message)) != self->msg_type) return false;
    if (!is_attribute(self->publication, NAME(writer), self->writer)) return false;
    self->now_ns = monotonic_ns();
    if (is_attribute(self->outgoing, NAME(loop), Py_None) && self->now_ns >= self->look_again_ns) {
        if (!Ref(PyObject_CallNoArgs(self->look))) return false;
        self->look_again_ns = self->now_ns + LOOK_AGAIN_NS;
    }
    const Ref stream(NAME(stream).of(self->outgoing));
    if (!stream || stream == Py_None || PySet_GET_SIZE(self->unanswered)) return false;
    Buffer text;
    if (number_of(stream, NAME(waiting_bytes)) != 0 || !dump(self, message, text) || text.size > MOST_BYTES) return false;
    const Step step = append_locked(self, stream, text);
    return step == EMPTY ? Ref(PyObject_CallMethodOneArg(self->outgoing, NAME(sent_in_part), stream)) : step == DONE;
}

PyObject *call(PyObject *object, PyObject *const *args, size_t count, PyObject *names) {
    Appender *self = reinterpret_cast<Appender *>(object);
    const bool is_done = PyVectorcall_NARGS(count) == 1 && !names && append(self, args[0]);
    if (PyErr_Occurred()) return nullptr;
    return is_done ? Py_NewRef(Py_None) : PyObject_Vectorcall(self->slow, args, count, names);
}

PyObject *make(PyTypeObject *type, PyObject *args, PyObject *) {
    PyObject *given[Appender::HELD], *memory;
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
