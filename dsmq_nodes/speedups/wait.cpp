// The seam `wait`: one system call until something is ready, exact to the nanosecond.
#include "ring.h"

#ifdef __linux__
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

constexpr int MOST = 64;  // at once; the others come the next time
constexpr long EPOLL_PWAIT2 = 441;  // Linux 5.11, on every machine; older C libraries do not know it
constexpr double LONGEST_SEC = 1e6;

int wait_for(int epoll, double sec, epoll_event *events) {  // sec < 0: without a limit
    static bool is_old = false;
    if (sec <= 0) return epoll_wait(epoll, events, MOST, sec < 0 ? -1 : 0);
    timespec left;
    left.tv_sec = static_cast<time_t>(sec);
    left.tv_nsec = static_cast<long>((sec - left.tv_sec) * 1e9);
    struct { int64_t sec, nsec; } left64 = {left.tv_sec, left.tv_nsec};
    if (!is_old) {
        const long found = syscall(EPOLL_PWAIT2, epoll, events, MOST, &left64, nullptr, 0);
        if (found >= 0 || errno != ENOSYS) return static_cast<int>(found);
        is_old = true;
    }
    pollfd one = {epoll, POLLIN, 0};
    const int found = ppoll(&one, 1, &left, nullptr);
    return found <= 0 ? found : epoll_wait(epoll, events, MOST, 0);
}

// wait(epoll's descriptor, seconds or None, calls by descriptor): calls back for what is readable;
// the other events are returned, by descriptors.
PyObject *wait_ready(PyObject *, PyObject *const *args, Py_ssize_t count) {
    if (count != 3 || !PyDict_Check(args[2])) return PyErr_BadArgument(), nullptr;
    const int epoll = static_cast<int>(PyLong_AsLong(args[0]));
    double sec = args[1] == Py_None ? -1 : PyFloat_AsDouble(args[1]);
    if (PyErr_Occurred()) return nullptr;
    if (args[1] != Py_None) sec = sec > LONGEST_SEC ? LONGEST_SEC : sec > 0 ? sec : 0;
    epoll_event events[MOST];
    int found, error;
    Py_BEGIN_ALLOW_THREADS;
    found = wait_for(epoll, sec, events);
    error = errno;
    Py_END_ALLOW_THREADS;
    if (found < 0 && error == EINTR) {
        if (PyErr_CheckSignals() < 0) return nullptr;
        return PyList_New(0);
    }
    errno = error;
    if (found < 0) return PyErr_SetFromErrno(PyExc_OSError);
    PyObject *others = PyList_New(0);
    for (int i = 0; others && i < found; i++) {
        const Ref number(PyLong_FromLong(events[i].data.fd));
        unsigned left = events[i].events;
        PyObject *call = number && left != EPOLLOUT ? PyDict_GetItemWithError(args[2], number) : nullptr;
        if (call) {
            const Ref held(Py_NewRef(call)), done(PyObject_CallNoArgs(held));
            if (done) left &= EPOLLOUT;
        }
        if (left && !PyErr_Occurred()) {
            const Ref other(Py_BuildValue("OI", number.held, left));
            if (other) PyList_Append(others, other);
        }
        if (PyErr_Occurred()) Py_CLEAR(others);
    }
    return others;
}

PyMethodDef functions[] = {
    {"wait", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(wait_ready)), METH_FASTCALL, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

int add_wait(PyObject *module) { return PyModule_AddFunctions(module, functions); }
#else
int add_wait(PyObject *) { return 0; }
#endif
