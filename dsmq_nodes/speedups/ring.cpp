#include "ring.h"

#include <time.h>
#include <unistd.h>

namespace ring {

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

bool Mapped::is_whole() const { return lseek(file, 0, SEEK_END) >= view.len; }

uint64_t checksum(uint64_t id, const char *text, size_t length) {  // zlib's crc32, begun with the id
    static uint32_t table[256];
    if (!table[1]) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;
            for (int bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
            table[i] = c;
        }
    }
    uint32_t crc = ~static_cast<uint32_t>(id);
    for (size_t i = 0; i < length; i++) crc = table[(crc ^ text[i]) & 255] ^ (crc >> 8);
    return static_cast<uint32_t>(~crc) ? static_cast<uint32_t>(~crc) : 1;
}

int64_t monotonic_ns() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int64_t wall_ns() {
    static PyObject *time = PyImport_ImportModule("time");
    const Ref now(time ? PyObject_CallMethodNoArgs(time, NAME(time_ns)) : nullptr);
    const long long ns = now ? PyLong_AsLongLong(now) : -1;
    return ns < 0 && !PyErr_Occurred() ? 0 : ns;
}

}  // namespace ring

int64_t number_of(PyObject *object, PyObject *name) {
    const Ref value(PyObject_GetAttr(object, name));
    if (!value || !PyLong_Check(value)) return -1;
    int overflow;
    const long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    return overflow || number < 0 ? -1 : number;
}

int set_number(PyObject *object, PyObject *name, int64_t number) {
    const Ref value(PyLong_FromLongLong(number));
    return value ? PyObject_SetAttr(object, name, value) : -1;
}

bool is_attribute(PyObject *object, PyObject *name, PyObject *value) {
    const Ref found(PyObject_GetAttr(object, name));
    return found == value;
}
