// The seam `codec`.
#include "speedups.h"

int add_codec(PyObject *) { return 0; }
