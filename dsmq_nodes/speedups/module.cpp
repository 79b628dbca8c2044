// The module `_speedups`: what it holds is added by the other files.
#include "speedups.h"

static int fill(PyObject *module) {
    if (PyModule_AddIntConstant(module, "VERSION", SPEEDUPS_VERSION) < 0) return -1;
    if (add_codec(module) < 0 || add_append(module) < 0) return -1;
    if (add_take(module) < 0 || add_forward(module) < 0) return -1;
    return add_wait(module) < 0 ? -1 : add_cut(module);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void *>(fill)},
#ifdef Py_mod_multiple_interpreters  // from Python 3.12 on
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, nullptr},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "dsmq_nodes.speedups._speedups", nullptr, 0, nullptr, slots, nullptr, nullptr, nullptr,
};

PyMODINIT_FUNC PyInit__speedups(void) { return PyModuleDef_Init(&definition); }
