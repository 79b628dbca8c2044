#include "ring.h"

#include <structmember.h>  // part of Python.h from 3.12 on
#include <time.h>
#include <unistd.h>

namespace ring {

constexpr int64_t LOOK_AGAIN_NS = 5000;  // a look takes a tenth of an append

bool Mapped::map(PyObject *memory, int descriptor) {
    if (PyObject_GetBuffer(memory, &view, PyBUF_WRITABLE) < 0) return false;
    bytes = static_cast<char *>(view.buf);
    if (view.len > static_cast<Py_ssize_t>(DATA)) capacity = view.len - DATA;
    file = descriptor;
    if (capacity) return true;
    PyErr_SetString(PyExc_ValueError, "too small for a ring");
    return false;
}

void Mapped::release() {
    if (bytes) PyBuffer_Release(&view);
    bytes = nullptr;
}

bool Mapped::is_whole(int64_t now_ns) {
    if (now_ns - looked_ns < LOOK_AGAIN_NS) return true;
    looked_ns = now_ns;
    return lseek(file, 0, SEEK_END) >= view.len;
}

uint64_t checksum(uint64_t id, const char *text, size_t length) {
    static PyObject *zlib = PyImport_ImportModule("zlib");
    static PyObject *crc32 = zlib ? PyObject_GetAttrString(zlib, "crc32") : nullptr;
    const Ref bytes(PyBytes_FromStringAndSize(text, length)), begin(PyLong_FromUnsignedLong(id & UINT32_MAX));
    const Ref crc(crc32 && bytes && begin ? PyObject_CallFunctionObjArgs(crc32, bytes.held, begin.held, nullptr) : nullptr);
    if (!crc) return 0;
    const unsigned long found = PyLong_AsUnsignedLong(crc);
    return found ? found : 1;
}

static int64_t ns_of(clockid_t clock) {
    timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int64_t monotonic_ns() { return ns_of(CLOCK_MONOTONIC); }

int64_t wall_ns() {
    static PyObject *time = PyImport_ImportModule("time");
    PyObject *ask = time ? PyDict_GetItemWithError(PyModule_GetDict(time), NAME(time_ns)) : nullptr;
    if (ask && PyCFunction_Check(ask) && PyCFunction_GET_SELF(ask) == time) {
        const int64_t ns = ns_of(CLOCK_REALTIME);
        return ns < 0 ? 0 : ns;
    }
    const Ref now(ask ? PyObject_CallNoArgs(ask) : nullptr);  // it was replaced, as by a test
    const long long ns = now ? PyLong_AsLongLong(now) : -1;
    return ns < 0 && !PyErr_Occurred() ? 0 : ns;
}

}  // namespace ring

void Attribute::learn(PyTypeObject *of) {
    Py_INCREF(of);  // no other type gets its address
    Py_XSETREF(type, of);
    at = 0;
    const Ref found(PyObject_GetAttr(reinterpret_cast<PyObject *>(of), name));
    if (!found) return PyErr_Clear();
    if (Py_TYPE(found) != &PyMemberDescr_Type) return;
    const PyMemberDef *member = reinterpret_cast<PyMemberDescrObject *>(found.held)->d_member;
    if (member->type == T_OBJECT_EX && !(member->flags & READONLY)) at = member->offset;
}

int64_t number_of(PyObject *object, Attribute &name) {
    const Ref value(name.of(object));
    if (!value || !PyLong_Check(value)) return -1;
    int overflow;
    const long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    return overflow || number < 0 ? -1 : number;
}

bool set_number(PyObject *object, Attribute &name, int64_t number) {
    const Ref value(PyLong_FromLongLong(number));
    return value && name.set(object, value);
}

bool add(PyObject *object, Attribute &name, int64_t more) {
    const int64_t number = number_of(object, name);
    if (number >= 0) return set_number(object, name, number + more);
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_OverflowError, "a counter is no count");
    return false;
}

bool is_attribute(PyObject *object, Attribute &name, PyObject *value) {
    const Ref found(name.of(object));
    return found == value;
}

bool is_empty(PyObject *object, Attribute &name) {
    const Ref found(name.of(object));
    return found && PyObject_Size(found) == 0;
}
