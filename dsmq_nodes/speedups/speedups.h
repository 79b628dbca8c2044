// What the files of the compiled part share.
//
// Functions that return a bool or an object say false or nullptr where it is not for us (the Python at
// the caller does it, and words the error), and also with an exception set: who calls from Python asks.
#pragma once
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <cstring>

// Raised with every change of what Python gives or gets; `__init__.py` has it too.
constexpr long SPEEDUPS_VERSION = 19;

// What has become of a message: ODD is "not for us", or an exception.
enum Step { ODD, DONE, EMPTY, STOP };

struct Ref {  // owns a reference
    PyObject *held = nullptr;
    Ref() = default;
    explicit Ref(PyObject *object) : held(object) {}
    Ref(const Ref &) = delete;
    Ref &operator=(const Ref &) = delete;
    PyObject *operator=(PyObject *object) {
        Py_XSETREF(held, object);
        return held;
    }
    ~Ref() { Py_XDECREF(held); }
    operator PyObject *() const { return held; }
    PyObject *release() {
        PyObject *object = held;
        held = nullptr;
        return object;
    }
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
    bool put(const char *text, size_t length) {
        char *to = room(length);
        if (!to) return false;
        memcpy(to, text, length);
        size += length;
        return true;
    }
    template <size_t length>
    bool put(const char (&word)[length]) { return put(word, length - 1); }
    bool put(PyObject *text) { return put(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)); }  // a bytes
};

// Takes from the begin of a text what is expected there, and reads nothing outside of it.
struct Input {
    const char *at, *end;
    Input(const char *text, size_t length) : at(text), end(text + length) {}
    bool take(char c) { return at < end && *at == c ? at++, true : false; }
    bool take(const char *word, size_t length) {
        if (static_cast<size_t>(end - at) < length || memcmp(at, word, length)) return false;
        at += length;
        return true;
    }
    template <size_t size>
    bool take(const char (&word)[size]) { return take(word, size - 1); }
};

template <class Step>
void after_an_error_too(Step step) {  // an exception that is set stays, whatever the step raises
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    step();
    if (type) PyErr_Restore(type, error, trace);
}

PyObject *taken_error();  // the exception that is set, which no longer is
PyObject *text_of(const char *text, size_t length);  // without an exception where it is not UTF-8

// The seam `codec`. `load_text` does not trust the text in any way, and reads nothing outside of it.
bool dump_message(PyObject *plan, PyObject *message, Buffer &out);
PyObject *load_text(PyObject *plan, const char *text, size_t length);
bool is_plan(PyObject *object);

// The functions of the module, as `_speedups.pyi` has them; a type is added by its file: -1 with an exception set.
namespace seam {
PyObject *wake(PyObject *, PyObject *const *args, Py_ssize_t count);
PyObject *receive(PyObject *, PyObject *const *args, Py_ssize_t count);
PyObject *forward(PyObject *, PyObject *const *args, Py_ssize_t count);
PyObject *wait(PyObject *, PyObject *const *args, Py_ssize_t count);
PyObject *outlive_cuts(PyObject *, PyObject *memory);
PyObject *forget_cuts(PyObject *, PyObject *number);
// What a function of them gives back: None, or where it is not done, that of `python`.
inline PyObject *answer(bool is_done, PyObject *python, PyObject *argument) {
    if (PyErr_Occurred()) return nullptr;
    return is_done ? Py_NewRef(Py_None) : PyObject_CallOneArg(python, argument);
}
}  // namespace seam
int add_codec(PyObject *module);
int add_append(PyObject *module);
int add_take(PyObject *module);
