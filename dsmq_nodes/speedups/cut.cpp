// What a ring does when its file is cut: any process of its user may do that at any moment, and whoever touches the
// missing part gets a SIGBUS, which would end the process. The handler puts memory of this process in place of the
// ring. Its numbers say that nothing in it can be right: HEAD is 0, RESERVE is beyond all positions, and appends are
// refused. So what was being read counts as overwritten, and the ring as damaged (dsmq/ring/ring.py).
#include "ring.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

#include <new>

namespace {

struct Area {  // of a mapped ring; `begin` is null where it no longer is
    char *begin;
    size_t length;
    Area *next;
};

Area *areas = nullptr;  // grows only, under the global lock; a handler may look at any moment
struct sigaction before;

void on_cut(int number, siginfo_t *about, void *) {
    const int error = errno;
    char *const at = static_cast<char *>(about->si_addr);
    for (Area *area = __atomic_load_n(&areas, __ATOMIC_ACQUIRE); area; area = area->next) {
        char *const begin = __atomic_load_n(&area->begin, __ATOMIC_ACQUIRE);
        if (about->si_code <= 0 || !begin || at < begin || at >= begin + area->length) continue;
        const int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
        if (mmap(begin, area->length, PROT_READ | PROT_WRITE, how, -1, 0) == MAP_FAILED) break;
        uint64_t *const numbers = reinterpret_cast<uint64_t *>(begin);  // what has faulted may now write one of them
        __atomic_store_n(numbers + ring::CLOSED, ring::MARK_BYTES, __ATOMIC_RELEASE);
        __atomic_store_n(numbers + ring::RESERVE, UINT64_MAX, __ATOMIC_RELEASE);
        errno = error;
        return;
    }
    sigaction(number, &before, nullptr);  // another's: what was there before has it, when it comes again
    if (about->si_code <= 0) raise(number);
    errno = error;
}

bool install() {
    static bool is_installed = false;
    if (is_installed) return true;
    struct sigaction ours = {};
    ours.sa_sigaction = on_cut;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigemptyset(&ours.sa_mask);
    return is_installed = sigaction(SIGBUS, &ours, &before) == 0;
}

}  // namespace

// outlive_cuts(memory) -> a number for `forget_cuts`
PyObject *seam::outlive_cuts(PyObject *, PyObject *memory) {
    Py_buffer view;
    if (PyObject_GetBuffer(memory, &view, PyBUF_WRITABLE) < 0) return nullptr;
    char *const begin = static_cast<char *>(view.buf);
    const size_t length = view.len;
    PyBuffer_Release(&view);
    Area *area = areas;
    while (area && area->begin) area = area->next;
    if (area) {
        area->length = length;
        __atomic_store_n(&area->begin, begin, __ATOMIC_RELEASE);
    } else {
        area = new (std::nothrow) Area{begin, length, areas};
        if (!area) return PyErr_NoMemory();
        __atomic_store_n(&areas, area, __ATOMIC_RELEASE);
    }
    if (!install()) return PyErr_SetFromErrno(PyExc_OSError);
    return PyLong_FromVoidPtr(area);
}

// forget_cuts(number): it is no longer mapped
PyObject *seam::forget_cuts(PyObject *, PyObject *number) {
    auto *const area = static_cast<Area *>(PyLong_AsVoidPtr(number));
    if (area) __atomic_store_n(&area->begin, nullptr, __ATOMIC_RELEASE);
    return PyErr_Occurred() ? nullptr : Py_NewRef(Py_None);
}
