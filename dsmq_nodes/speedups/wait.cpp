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
        const bool is_refused = found < 0 && (errno == ENOSYS || errno == EPERM);  // the latter by older containers
        if (!is_refused) return static_cast<int>(found);
        is_old = true;
    }
    pollfd one = {epoll, POLLIN, 0};
    const int found = ppoll(&one, 1, &left, nullptr);
    return found <= 0 ? found : epoll_wait(epoll, events, MOST, 0);
}

// As `StraightLoop.call`; an exception may be set.
void call_back(PyObject *call, PyObject *loop) {
    if (!add(loop, NAME(calls), 1)) return;
    const Ref held(Py_NewRef(call)), done(PyObject_CallNoArgs(held));
    if (done || !PyErr_ExceptionMatches(PyExc_Exception)) return;
    const Ref error(taken_error()), told(PyObject_CallMethodObjArgs(loop, NAME(failed), call, error.held, nullptr));
}

// Waits once, and calls back for what is readable; the other events are added to a list, by
// descriptors. 1: there were none of these.
int call_ready(int epoll, double sec, PyObject *calls, PyObject *others, PyObject *loop) {
    epoll_event events[MOST];
    int found, error;
    Py_BEGIN_ALLOW_THREADS;
    found = wait_for(epoll, sec, events);
    error = errno;
    Py_END_ALLOW_THREADS;
    if (found < 0 && error == EINTR) return PyErr_CheckSignals();
    errno = error;
    if (found < 0) return PyErr_SetFromErrno(PyExc_OSError), -1;
    for (int i = 0; i < found; i++) {
        const Ref number(PyLong_FromLong(events[i].data.fd));
        unsigned left = events[i].events;
        PyObject *call = number && left != EPOLLOUT ? PyDict_GetItemWithError(calls, number) : nullptr;
        if (call) {
            left &= EPOLLOUT;
            call_back(call, loop);
        }
        if (left && !PyErr_Occurred()) {
            const Ref other(Py_BuildValue("OI", number.held, left));
            if (other) PyList_Append(others, other);
        }
        if (PyErr_Occurred()) return -1;
    }
    return found && !PyList_GET_SIZE(others);
}

}  // namespace

// wait(epoll's descriptor, seconds or None, calls by descriptor, the loop): waits and calls back until there is
// an event of another descriptor, a new handle or timer of the loop, or the time is up.
PyObject *seam::wait(PyObject *, PyObject *const *args, Py_ssize_t count) {
    if (count != 4 || !PyDict_Check(args[2])) return PyErr_BadArgument(), nullptr;
    const Ref handles(NAME(_ready).of(args[3])), timers(NAME(_scheduled).of(args[3])), others(PyList_New(0));
    if (!handles || !timers || !others || !PyList_Check(timers.held)) return PyErr_BadArgument(), nullptr;
    const int epoll = static_cast<int>(PyLong_AsLong(args[0]));
    double sec = args[1] == Py_None ? -1 : PyFloat_AsDouble(args[1]);
    if (PyErr_Occurred()) return nullptr;
    if (args[1] != Py_None) sec = sec > LONGEST_SEC ? LONGEST_SEC : sec > 0 ? sec : 0;
    const double until_sec = ring::monotonic_ns() * 1e-9 + sec;
    const Py_ssize_t known = PyList_GET_SIZE(timers.held);
    int goes_on = 1;
    while (goes_on > 0 && (goes_on = call_ready(epoll, sec, args[2], others, args[3])) > 0) {
        if (PyErr_CheckSignals() < 0 || PyObject_Size(handles) || PyList_GET_SIZE(timers.held) != known) break;
        if (sec >= 0 && (sec = until_sec - ring::monotonic_ns() * 1e-9) <= 0) break;
    }
    return goes_on < 0 || PyErr_Occurred() ? nullptr : Py_NewRef(others);
}
#endif
