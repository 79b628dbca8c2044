// What the files of the compiled part share.
//
// Functions that return int say 1: done, 0: not for us (the Python at the caller does it, and words
// the error), -1: an exception is set. Those that return an object say nullptr for the last two.
#pragma once
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <cstring>

// Raised with every change of what Python gives or gets; `__init__.py` has it too.
constexpr long SPEEDUPS_VERSION = 17;

struct Ref {  // owns a reference
    PyObject *held;
    explicit Ref(PyObject *object) : held(object) {}
    Ref(const Ref &) = delete;
    Ref &operator=(const Ref &) = delete;
    ~Ref() { Py_XDECREF(held); }
    operator PyObject *() const { return held; }
};

// A text that grows; a small one lies in the buffer itself. `room` gives the place after it for so many
// bytes more, or nullptr with MemoryError set; the caller adds to `size` what it wrote there.
struct Buffer {
    char inside[4096];
    char *bytes = inside;
    size_t size = 0, capacity = sizeof inside;
    Buffer() = default;
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;
    ~Buffer() { if (bytes != inside) PyMem_Free(bytes); }
    char *room(size_t more) { return capacity - size < more ? grown(more) : bytes + size; }
    char *grown(size_t more);
    int put(const char *text, size_t length) {
        char *to = room(length);
        if (!to) return -1;
        memcpy(to, text, length);
        size += length;
        return 1;
    }
};

template <class Step>
void after_an_error_too(Step step) {  // an exception that is set stays, whatever the step raises
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    step();
    if (type) PyErr_Restore(type, error, trace);
}

PyObject *taken_error();  // the exception that is set, which no longer is

// The seam `codec`. `load_text` does not trust the text in any way, and reads nothing outside of it.
int dump_message(PyObject *plan, PyObject *message, Buffer &out);
PyObject *load_text(PyObject *plan, const char *text, size_t length);
bool is_plan(PyObject *object);

// Each file adds its types and functions to the module; -1 with an exception set.
int add_codec(PyObject *module);
int add_append(PyObject *module);
int add_take(PyObject *module);
int add_forward(PyObject *module);
int add_wait(PyObject *module);
int add_cut(PyObject *module);
