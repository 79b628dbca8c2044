// A topic's ring as `dsmq/ring/ring.py` specifies it, and attributes of the Python objects beside it.
#pragma once
#include <cstdint>

#include "speedups.h"

namespace ring {

enum : uint64_t {
    HEAD = 8, RESERVE = 9, EXTENT = 10, CLOSED = 11, OWNER = 12, BUSY = 13, ASLEEP = 512, READERS = 128, MOST_READERS = 64,
    INDEX = 512, INDEX_SIZE = 4096, DATA = 36864, MARK_BYTES = 8, OWNED = 1, MOST_NUMBER = INT64_MAX,
};

struct Record {
    uint64_t id, stamp, at, seq, check, lengths;
    uint32_t names, unused;
};
static_assert(sizeof(Record) == 56);

// The file's bytes, mapped by Python for as long as this is held.
struct Mapped {
    Py_buffer view;
    char *bytes = nullptr;
    uint64_t capacity = 0;
    int file = -1;
    int64_t looked_ns = 0;
    bool map(PyObject *memory, int descriptor);
    void release();
    uint64_t load(uint64_t index) const {
        return __atomic_load_n(reinterpret_cast<uint64_t *>(bytes) + index, __ATOMIC_ACQUIRE);
    }
    void store(uint64_t index, uint64_t number) const {
        __atomic_store_n(reinterpret_cast<uint64_t *>(bytes) + index, number, __ATOMIC_RELEASE);
    }
    // Else a process has cut the file: touching the missing part is a SIGBUS. A flood looks at it each few messages.
    bool is_whole(int64_t now_ns);
};

// What `Appender` and `Taker` share: they hold what their maker gave, and a ring.
template <class Seam>
struct SeamType {
    static Seam *of(PyObject *object) { return reinterpret_cast<Seam *>(object); }
    // With `memory` None there is no ring; nullptr with an exception set.
    static Seam *make(PyTypeObject *type, PyObject *const *given, PyObject *memory, int file) {
        PyObject *made = type->tp_alloc(type, 0);
        if (!made) return nullptr;
        for (int i = 0; i < Seam::HELD; i++) of(made)->references()[i] = Py_NewRef(given[i]);
        if (memory != Py_None && !of(made)->map.map(memory, file)) Py_CLEAR(made);
        return of(made);
    }
    static int traverse(PyObject *object, visitproc visit, void *arg) {
        for (int i = 0; i < Seam::HELD; i++) Py_VISIT(of(object)->references()[i]);
        return 0;
    }
    static int clear(PyObject *object) {
        for (int i = 0; i < Seam::HELD; i++) Py_CLEAR(of(object)->references()[i]);
        return 0;
    }
    static void end(PyObject *object) {
        PyObject_GC_UnTrack(object);
        clear(object);
        of(object)->map.release();
        Py_TYPE(object)->tp_free(object);
    }
    static void describe(PyTypeObject &type) {
        type.tp_basicsize = sizeof(Seam);
        type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC;
        type.tp_traverse = traverse, type.tp_clear = clear, type.tp_dealloc = end;
    }
};

uint64_t checksum(uint64_t id, const char *text, size_t length);  // as in dsmq/ring/record.py; 0 with an exception set
int64_t monotonic_ns();
int64_t wall_ns();  // as `BaseClock.now_ns`; -1 with an exception set

}  // namespace ring

// An attribute. Where its class has a slot for it, as by `__slots__`, that is used without a search.
struct Attribute {
    PyObject *name;
    PyTypeObject *type = nullptr;  // of the last object, and where such have their slot; 0: they have none
    Py_ssize_t at = 0;
    operator PyObject *() const { return name; }
    void learn(PyTypeObject *of);
    PyObject **slot(PyObject *object) {
        if (Py_TYPE(object) != type) learn(Py_TYPE(object));
        PyObject **found = reinterpret_cast<PyObject **>(reinterpret_cast<char *>(object) + at);
        return at && *found ? found : nullptr;
    }
    PyObject *of(PyObject *object) {
        PyObject **found = slot(object);
        return found ? Py_NewRef(*found) : PyObject_GetAttr(object, name);
    }
    bool set(PyObject *object, PyObject *value) {  // false with an exception set
        PyObject **found = slot(object);
        if (!found) return PyObject_SetAttr(object, name, value) == 0;
        Py_SETREF(*found, Py_NewRef(value));
        return true;
    }
};
// Made when the module is loaded: later there may be no memory for it.
template <class Text>
inline Attribute attribute{PyUnicode_InternFromString(Text::of())};
#define NAME(name) ([]() -> Attribute & { struct Text { static const char *of() { return #name; } }; return attribute<Text>; }())

// An attribute that is an int from 0 to 2**63 - 1; else -1, perhaps with an exception set.
int64_t number_of(PyObject *object, Attribute &name);
// False with an exception set; `add` is for a counter.
bool set_number(PyObject *object, Attribute &name, int64_t number);
bool add(PyObject *object, Attribute &name, int64_t more);
// False perhaps with an exception set; what may be empty is a list, deque or dict.
bool is_attribute(PyObject *object, Attribute &name, PyObject *value);
bool is_empty(PyObject *object, Attribute &name);
