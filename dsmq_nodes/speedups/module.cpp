// The module `_speedups`: its functions, and the types that other files add.
#include "speedups.h"

static PyCFunction fast(PyObject *(*function)(PyObject *, PyObject *const *, Py_ssize_t)) {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

static PyMethodDef functions[] = {
    {"wake", fast(seam::wake), METH_FASTCALL, nullptr},
    {"receive", fast(seam::receive), METH_FASTCALL, nullptr},
    {"forward", fast(seam::forward), METH_FASTCALL, nullptr},
#ifdef __linux__
    {"wait", fast(seam::wait), METH_FASTCALL, nullptr},
#endif
    {"outlive_cuts", seam::outlive_cuts, METH_O, nullptr},
    {"forget_cuts", seam::forget_cuts, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

static int fill(PyObject *module) {
    if (PyModule_AddIntConstant(module, "VERSION", SPEEDUPS_VERSION) < 0 || add_codec(module) < 0) return -1;
    return add_append(module) < 0 ? -1 : add_take(module);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void *>(fill)},
#ifdef Py_mod_multiple_interpreters  // from Python 3.12 on
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, nullptr},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "dsmq_nodes.speedups._speedups", nullptr, 0, functions, slots, nullptr, nullptr, nullptr,
};

PyMODINIT_FUNC PyInit__speedups(void) { return PyModuleDef_Init(&definition); }
