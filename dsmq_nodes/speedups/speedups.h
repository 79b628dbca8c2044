// What the files of the compiled part share.
#pragma once
#define PY_SSIZE_T_CLEAN
#include <Python.h>

// Raised with every change of what Python gives or gets; `__init__.py` has it too.
constexpr long SPEEDUPS_VERSION = 1;

// Each file adds its types and functions to the module; -1 with an exception set.
int add_codec(PyObject *module);
