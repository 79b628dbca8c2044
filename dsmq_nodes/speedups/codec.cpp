// The seam `codec`: messages of one type to JSON text and back, without pydantic on the way.
//
// A Plan has what messages/codec.py found in the type's pydantic schema: the fields in their order,
// each a float, an int with its range, a bool, a str, a message with a plan, or a list of those.
// `fill` makes a message of values, `dump` writes its text, `load` reads it, each exactly as pydantic
// does. `load` reads the form that `dump` writes: all fields, in order, nothing between the tokens.
// Everything else is not for us: another order, spaces, escapes, a value of another type or beyond
// its limits, a float of 1e16 or more, a text that is damaged. Recursion is as deep as types are
// nested; a plan never contains itself.
#include "speedups.h"

#include <structmember.h>  // part of Python.h from 3.12 on

#include <charconv>
#include <cmath>
#include <cstdint>
#include <initializer_list>

namespace {

constexpr int DEEPEST = 32;  // levels of messages; pydantic reads JSON of up to 200 levels

struct Plan;
struct Field {     // as messages/codec.py gives it; the plan holds its references
    PyObject *name;  // interned: in an instance's dict the key is this very object
    PyObject *key;   // bytes: "name": as it stands in the text
    int kind;        // 'f'loat, 'i'nt, 'b'ool, 's'tr, 'm'essage
    Plan *inner;     // of a message
    int is_list;
    long long low;  // of an int
    unsigned long long high;
    Py_ssize_t least, most;  // items of a list
    int how;                 // the default: 'v' this value, 'c' a call of it, 'n' a new inner message,
    PyObject *usual;         // '-' none: the field is required
};

struct Plan {
    PyObject_HEAD
    PyTypeObject *cls;
    PyObject *given;  // tuple: the fields
    PyObject *blank;  // dict: every name, in order, and None
    PyObject *names;  // set: model_fields_set of a message that was loaded
    Field *fields;
    Py_ssize_t count;
    int depth;
    Py_ssize_t fields_set_at, extra_at, private_at;  // pydantic's slots in an instance
};

PyTypeObject *plan_type = nullptr;

bool is_plain(const char *text, size_t length) {  // nothing to escape; without a way out, so that it is done by vectors
    unsigned char odd = 0;
    for (size_t i = 0; i < length; i++) {
        const auto c = static_cast<unsigned char>(text[i]);
        odd |= (c < 0x20) | (c == '"') | (c == '\\');
    }
    return !odd;
}

// The UTF-8 of a str; nullptr without an exception for half a surrogate pair, which has none.
const char *utf8_of(PyObject *value, Py_ssize_t *length) {
    const char *text = PyUnicode_AsUTF8AndSize(value, length);
    if (!text && PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) PyErr_Clear();
    return text;
}

bool is_in_range(const Field &field, PyObject *value, long long &number) {
    if (!PyLong_CheckExact(value)) return false;
    int overflow;
    number = PyLong_AsLongLongAndOverflow(value, &overflow);
    return !overflow && number >= field.low && (number < 0 || number + 0ull <= field.high);
}

// ---- dump: false where it is not for us, or with an exception set

bool dump_text(PyObject *value, Buffer &out) {
    Py_ssize_t length;
    const char *text = PyUnicode_CheckExact(value) ? utf8_of(value, &length) : nullptr;
    return text && is_plain(text, length) && out.put("\"") && out.put(text, length) && out.put("\"");
}

// Few decimals: millionths that give the float again are its shortest digits, as there are at most
// 15 of them. nullptr: there are more.
char *put_millionths(char *to, double number) {
    if (number >= 1e9 || number < 1e-5) return nullptr;
    const auto millionths = static_cast<uint64_t>(number * 1e6 + 0.5);
    if (static_cast<double>(millionths) / 1e6 != number) return nullptr;
    to = std::to_chars(to, to + 10, millionths / 1000000).ptr;
    auto decimals = static_cast<uint32_t>(millionths % 1000000);
    *to = '.';
    for (int i = 6; i > 0; i--, decimals /= 10) to[i] = static_cast<char>('0' + decimals % 10);
    for (to += 7; to[-1] == '0' && to[-2] != '.'; to--) {}
    return to;
}

// The shortest digits that give the float again, as pydantic puts them: with a point down to
// 0.00001, with an exponent below that.
char *put_digits(char *to, double number) {
    const bool is_small = number < 1e-5;
    char *end = std::to_chars(to, to + 32, number, is_small ? std::chars_format::scientific : std::chars_format::fixed).ptr;
    if (is_small && end[-3] == '-' && end[-2] == '0') end[-2] = end[-1], end--;  // e-06
    if (!is_small && !memchr(to, '.', end - to)) *end++ = '.', *end++ = '0';
    return end;
}

bool dump_float(PyObject *value, Buffer &out) {
    if (!PyFloat_CheckExact(value)) return false;
    double number = PyFloat_AS_DOUBLE(value);
    if (number == 0) return std::signbit(number) ? out.put("-0.0") : out.put("0.0");
    if (std::isnan(number)) return out.put("\"NaN\"");
    if (std::isinf(number)) return number > 0 ? out.put("\"Infinity\"") : out.put("\"-Infinity\"");
    if (std::fabs(number) >= 1e16) return false;  // its form depends on pydantic's version
    char *const start = out.room(40), *to = start;
    if (!to) return false;
    if (number < 0) *to++ = '-', number = -number;
    char *end = put_millionths(to, number);
    if (!end) end = put_digits(to, number);
    out.size += end - start;
    return true;
}

bool dump_integer(const Field &field, PyObject *value, Buffer &out) {
    long long number;
    char *to = is_in_range(field, value, number) ? out.room(24) : nullptr;
    if (to) out.size += std::to_chars(to, to + 24, number).ptr - to;
    return to;
}

bool dump_fields(const Plan *plan, PyObject *message, Buffer &out);

bool dump_item(const Field &field, PyObject *value, Buffer &out) {
    switch (field.kind) {
        case 'f': return dump_float(value, out);
        case 'i': return dump_integer(field, value, out);
        case 's': return dump_text(value, out);
        case 'm': return dump_fields(field.inner, value, out);
    }
    return value == Py_True ? out.put("true") : value == Py_False && out.put("false");
}

bool dump_value(const Field &field, PyObject *value, Buffer &out) {
    if (!field.is_list) return dump_item(field, value, out);
    if (!PyList_CheckExact(value) || !out.put("[")) return false;
    if (PyList_GET_SIZE(value) < field.least || PyList_GET_SIZE(value) > field.most) return false;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(value); i++)
        if ((i && !out.put(",")) || !dump_item(field, PyList_GET_ITEM(value, i), out)) return false;
    return out.put("]");
}

// The dict of an instance has the fields in their order and nothing else: pydantic would write what
// is there, in the order it has there.
bool dump_fields(const Plan *plan, PyObject *message, Buffer &out) {
    const Ref dict(Py_TYPE(message) == plan->cls ? PyObject_GenericGetDict(message, nullptr) : nullptr);
    if (!dict || !PyDict_CheckExact(dict.held) || PyDict_GET_SIZE(dict.held) != plan->count) return false;
    Py_ssize_t at = 0;
    for (Py_ssize_t i = 0; i < plan->count; i++) {
        const Field &field = plan->fields[i];
        PyObject *name, *value;
        if (!PyDict_Next(dict, &at, &name, &value) || name != field.name || !out.put(i ? "," : "{", 1)) return false;
        const Ref item(Py_NewRef(value));
        if (!out.put(field.key) || !dump_value(field, item, out)) return false;
    }
    return plan->count ? out.put("}") : out.put("{}");
}

// ---- load

PyObject *load_special_float(Input &in) {
    if (in.take("\"NaN\"")) return PyFloat_FromDouble(Py_NAN);
    if (in.take("\"Infinity\"")) return PyFloat_FromDouble(Py_HUGE_VAL);
    return in.take("\"-Infinity\"") ? PyFloat_FromDouble(-Py_HUGE_VAL) : nullptr;
}

bool take_digits(Input &in) {
    const char *start = in.at;
    while (in.at < in.end && *in.at >= '0' && *in.at <= '9') in.at++;
    return in.at > start;
}

// A number by JSON's grammar.
PyObject *load_float(Input &in) {
    constexpr int MOST_DIGITS = 15;  // of an integer, which is a float then as well
    if (in.at < in.end && *in.at == '"') return load_special_float(in);
    const char *start = in.at;
    const bool is_negative = in.take('-');
    const char *first = in.at;
    if (!take_digits(in) || (*first == '0' && in.at > first + 1)) return nullptr;
    const Py_ssize_t digits = in.at - first;
    const char *point = in.at;
    if (in.take('.') && !take_digits(in)) return nullptr;
    if (in.take('e') || in.take('E')) {
        if (!in.take('-')) in.take('+');
        if (!take_digits(in)) return nullptr;
    }
    if (in.at == point && (digits > MOST_DIGITS || (is_negative && *first == '0'))) return nullptr;  // -0 is 0.0 for pydantic
    if (in.at - start == 3 && !memcmp(start, "0.0", 3)) return PyFloat_FromDouble(0.0);  // as most are
    double found;
    const auto done = std::from_chars(start, in.at, found);
    return done.ec == std::errc() && done.ptr == in.at ? PyFloat_FromDouble(found) : nullptr;
}

PyObject *load_integer(const Field &field, Input &in) {
    const char *first = in.at;
    long long negative = 0;
    unsigned long long found = 0;
    const bool is_negative = in.take('-');
    if (in.end - in.at > 1 && *in.at == '0' && in.at[1] >= '0' && in.at[1] <= '9') return nullptr;
    const auto done = is_negative ? std::from_chars(first, in.end, negative) : std::from_chars(first, in.end, found);
    if (done.ec != std::errc()) return nullptr;
    in.at = done.ptr;
    if (is_negative) return negative && negative >= field.low ? PyLong_FromLongLong(negative) : nullptr;
    if (found > field.high || (field.low > 0 && found < field.low + 0ull)) return nullptr;
    return PyLong_FromUnsignedLongLong(found);
}

PyObject *load_string(Input &in) {
    if (!in.take('"')) return nullptr;
    const char *start = in.at;
    const auto *quote = static_cast<const char *>(memchr(start, '"', in.end - start));
    if (!quote || !is_plain(start, quote - start)) return nullptr;
    in.at = quote + 1;
    return text_of(start, quote - start);
}

PyObject *load_fields(const Plan *plan, Input &in);

PyObject *load_item(const Field &field, Input &in) {
    switch (field.kind) {
        case 'f': return load_float(in);
        case 'i': return load_integer(field, in);
        case 's': return load_string(in);
        case 'm': return load_fields(field.inner, in);
    }
    if (in.take("true")) return Py_NewRef(Py_True);
    return in.take("false") ? Py_NewRef(Py_False) : nullptr;
}

PyObject *load_value(const Field &field, Input &in) {
    if (!field.is_list) return load_item(field, in);
    const Py_ssize_t reserved = field.least > 64 ? 0 : field.least;
    Ref list(PyList_New(reserved));
    if (!list || !in.take('[')) return nullptr;
    Py_ssize_t count = 0;
    if (in.take(']')) return field.least ? nullptr : list.release();
    do {
        Ref item(load_item(field, in));
        if (!item) return nullptr;
        if (count++ < reserved) PyList_SET_ITEM(list.held, count - 1, item.release());
        else if (PyList_Append(list, item) < 0) return nullptr;
    } while (in.take(','));
    return in.take(']') && count >= field.least && count <= field.most ? list.release() : nullptr;
}

bool load_dict(const Plan *plan, Input &in, PyObject *dict) {
    for (Py_ssize_t i = 0; i < plan->count; i++) {
        const Field &field = plan->fields[i];
        if (!in.take(i ? ',' : '{') || !in.take(PyBytes_AS_STRING(field.key), PyBytes_GET_SIZE(field.key))) return false;
        const Ref value(load_value(field, in));
        if (!value || PyDict_SetItem(dict, field.name, value) < 0) return false;
    }
    return plan->count ? in.take('}') : in.take("{}");
}

void set_slot(PyObject *message, Py_ssize_t at, PyObject *value) {
    auto &slot = *reinterpret_cast<PyObject **>(reinterpret_cast<char *>(message) + at);
    Py_XSETREF(slot, Py_NewRef(value));
}

// Make an instance what pydantic would: the dict of its fields, and which of them were set.
bool set_message(const Plan *plan, PyObject *message, PyObject *dict, PyObject *names) {
    if (PyObject_GenericSetDict(message, dict, nullptr) < 0) return false;
    set_slot(message, plan->fields_set_at, names);
    set_slot(message, plan->extra_at, Py_None);
    set_slot(message, plan->private_at, Py_None);
    return true;
}

PyObject *load_fields(const Plan *plan, Input &in) {
    const Ref dict(PyDict_Copy(plan->blank));
    if (!dict || !load_dict(plan, in, dict)) return nullptr;
    const Ref names(PySet_New(plan->names));
    Ref message(names ? plan->cls->tp_alloc(plan->cls, 0) : nullptr);
    return message && set_message(plan, message, dict, names) ? message.release() : nullptr;
}

// ---- fill

bool is_item(const Field &field, PyObject *value) {
    long long ignored;
    switch (field.kind) {
        case 'f': return PyFloat_CheckExact(value);
        case 'i': return is_in_range(field, value, ignored);
        case 'm': return Py_TYPE(value) == field.inner->cls;
        case 's': return PyUnicode_CheckExact(value) && (PyUnicode_IS_COMPACT_ASCII(value) || utf8_of(value, nullptr));
    }
    return PyBool_Check(value);
}

// What a field holds when it is given a value: a list is copied, a message is not.
PyObject *held(const Field &field, PyObject *value) {
    if (!field.is_list) return is_item(field, value) ? Py_NewRef(value) : nullptr;
    if (!PyList_CheckExact(value)) return nullptr;
    const Py_ssize_t count = PyList_GET_SIZE(value);
    if (count < field.least || count > field.most) return nullptr;
    for (Py_ssize_t i = 0; i < count; i++)
        if (!is_item(field, PyList_GET_ITEM(value, i))) return nullptr;
    return PyList_GetSlice(value, 0, count);
}

bool fill(const Plan *plan, PyObject *message, PyObject *given);

PyObject *usual_of(const Field &field) {
    if (field.how == 'v') return Py_NewRef(field.usual);
    if (field.how == 'c') return PyObject_CallNoArgs(field.usual);
    PyTypeObject *const cls = field.inner->cls;
    Ref message(cls->tp_alloc(cls, 0));
    return message && fill(field.inner, message, nullptr) ? message.release() : nullptr;
}

// First all that is given, and then the defaults: they call functions, which may be the user's.
bool fill_dict(const Plan *plan, PyObject *given, PyObject *dict, PyObject *names) {
    for (Py_ssize_t i = 0; given && i < plan->count; i++) {
        const Field &field = plan->fields[i];
        PyObject *value = PyDict_GetItemWithError(given, field.name);
        if (!value && (field.how == '-' || PyErr_Occurred())) return false;
        if (!value) continue;
        const Ref found(held(field, value));
        if (!found || PyDict_SetItem(dict, field.name, found) < 0 || PySet_Add(names, field.name) < 0) return false;
    }
    if (given && PySet_GET_SIZE(names) != PyDict_GET_SIZE(given)) return false;
    for (Py_ssize_t i = 0; i < plan->count; i++) {
        const Field &field = plan->fields[i];
        if (PySet_GET_SIZE(names) && PySet_Contains(names, field.name)) continue;
        const Ref usual(usual_of(field));
        if (!usual || PyDict_SetItem(dict, field.name, usual) < 0) return false;
    }
    return true;
}

// False where what is given is not for us, or with an exception set.
bool fill(const Plan *plan, PyObject *message, PyObject *given) {
    const Ref dict(PyDict_Copy(plan->blank)), names(PySet_New(nullptr));
    return dict && names && fill_dict(plan, given, dict, names) && set_message(plan, message, dict, names);
}

// ---- the type Plan

PyObject *plan_dump(PyObject *self, PyObject *message) {
    Buffer out;
    if (dump_message(self, message, out)) return PyBytes_FromStringAndSize(out.bytes, out.size);
    return PyErr_Occurred() ? nullptr : Py_NewRef(Py_None);
}

PyObject *plan_load(PyObject *self, PyObject *given) {
    const char *text = nullptr;
    Py_ssize_t length = 0;
    if (PyBytes_CheckExact(given)) text = PyBytes_AS_STRING(given), length = PyBytes_GET_SIZE(given);
    else if (PyUnicode_CheckExact(given)) text = utf8_of(given, &length);
    PyObject *message = text ? load_text(self, text, length) : nullptr;
    return message || PyErr_Occurred() ? message : Py_NewRef(Py_None);
}

void plan_dealloc(PyObject *self) {
    auto *plan = reinterpret_cast<Plan *>(self);
    PyMem_Free(plan->fields);
    for (PyObject *each : {reinterpret_cast<PyObject *>(plan->cls), plan->given, plan->blank, plan->names}) Py_XDECREF(each);
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

bool set_field(Plan *plan, Field &field, PyObject *given) {
    if (!PyArg_ParseTuple(given, "USCOpLKnnCO", &field.name, &field.key, &field.kind, &field.inner, &field.is_list, &field.low,
                          &field.high, &field.least, &field.most, &field.how, &field.usual))
        return false;
    if (field.kind == 'm') {
        if (!is_plan(reinterpret_cast<PyObject *>(field.inner)))
            return PyErr_SetString(PyExc_TypeError, "a message needs a plan"), false;
        if (plan->depth <= field.inner->depth) plan->depth = field.inner->depth + 1;
        if (plan->depth > DEEPEST) return PyErr_SetString(PyExc_RecursionError, "types are nested too deep"), false;
    }
    return PyDict_SetItem(plan->blank, field.name, Py_None) == 0 && PySet_Add(plan->names, field.name) == 0;
}

Py_ssize_t offset_of(PyObject *member) {  // of a slot in its instances; 0 with an exception set
    if (Py_TYPE(member) == &PyMemberDescr_Type) return reinterpret_cast<PyMemberDescrObject *>(member)->d_member->offset;
    return PyErr_SetString(PyExc_TypeError, "this is no slot of a class"), 0;
}

// Plan(cls, fields, slots): the slots are fields_set, extra and private of pydantic's BaseModel.
PyObject *plan_new(PyTypeObject *type, PyObject *args, PyObject *) {
    PyObject *cls, *fields, *fields_set, *extra, *hidden;
    if (!PyArg_ParseTuple(args, "O!O!(OOO)", &PyType_Type, &cls, &PyTuple_Type, &fields, &fields_set, &extra, &hidden))
        return nullptr;
    PyObject *self = type->tp_alloc(type, 0);
    if (!self) return nullptr;
    auto *plan = reinterpret_cast<Plan *>(self);
    plan->cls = reinterpret_cast<PyTypeObject *>(Py_NewRef(cls)), plan->given = Py_NewRef(fields);
    plan->depth = 1;
    plan->fields_set_at = offset_of(fields_set), plan->extra_at = offset_of(extra), plan->private_at = offset_of(hidden);
    plan->blank = PyDict_New(), plan->names = PySet_New(nullptr);
    plan->fields = static_cast<Field *>(PyMem_Calloc(PyTuple_GET_SIZE(fields) + 1, sizeof(Field)));
    if (!plan->fields) PyErr_NoMemory();
    while (!PyErr_Occurred() && plan->count < PyTuple_GET_SIZE(fields)) {
        const Py_ssize_t i = plan->count++;
        set_field(plan, plan->fields[i], PyTuple_GET_ITEM(fields, i));
    }
    if (PyErr_Occurred()) Py_CLEAR(self);
    return self;
}

PyMethodDef plan_methods[] = {
    {"dump", plan_dump, METH_O, "The JSON text of a message as bytes, or None: not for us."},
    {"load", plan_load, METH_O, "The message in a JSON text, or None: not for us."},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot plan_slots[] = {
    {Py_tp_new, reinterpret_cast<void *>(plan_new)},
    {Py_tp_dealloc, reinterpret_cast<void *>(plan_dealloc)},
    {Py_tp_methods, plan_methods},
    {0, nullptr},
};

PyType_Spec plan_spec = {"dsmq_nodes.speedups._speedups.Plan", sizeof(Plan), 0, Py_TPFLAGS_DEFAULT, plan_slots};

// ---- the type Constructor: a method `__init__`, which is called with the fields by name

struct Constructor {
    PyObject_HEAD
    PyObject *python, *plans;  // the method in Python, and all plans by their classes
};

PyObject *construct(PyObject *self, PyObject *args, PyObject *fields) {
    const auto *of = reinterpret_cast<Constructor *>(self);
    if (PyTuple_GET_SIZE(args) == 1) {
        PyObject *message = PyTuple_GET_ITEM(args, 0);
        PyObject *plan = PyDict_GetItemWithError(of->plans, reinterpret_cast<PyObject *>(Py_TYPE(message)));
        if (plan && is_plan(plan) && fill(reinterpret_cast<Plan *>(plan), message, fields)) Py_RETURN_NONE;
        if (PyErr_Occurred()) return nullptr;
    }
    return PyObject_Call(of->python, args, fields);
}

PyObject *bound(PyObject *self, PyObject *message, PyObject *) {
    return message ? PyMethod_New(self, message) : Py_NewRef(self);
}

PyObject *attribute(PyObject *self, PyObject *name) {  // for whatever looks at the method
    return PyObject_GetAttr(reinterpret_cast<Constructor *>(self)->python, name);
}

PyObject *constructor_new(PyTypeObject *type, PyObject *args, PyObject *) {
    PyObject *python, *plans;
    if (!PyArg_ParseTuple(args, "OO!", &python, &PyDict_Type, &plans)) return nullptr;
    PyObject *self = type->tp_alloc(type, 0);
    if (!self) return nullptr;
    auto *made = reinterpret_cast<Constructor *>(self);
    made->python = Py_NewRef(python), made->plans = Py_NewRef(plans);
    return self;
}

PyType_Slot constructor_slots[] = {  // it is never freed, as the class whose method it is
    {Py_tp_new, reinterpret_cast<void *>(constructor_new)},
    {Py_tp_call, reinterpret_cast<void *>(construct)},
    {Py_tp_descr_get, reinterpret_cast<void *>(bound)},
    {Py_tp_getattro, reinterpret_cast<void *>(attribute)},
    {0, nullptr},
};

PyType_Spec constructor_spec = {"dsmq_nodes.speedups._speedups.Constructor", sizeof(Constructor), 0,
                                Py_TPFLAGS_DEFAULT | Py_TPFLAGS_METHOD_DESCRIPTOR, constructor_slots};

}  // namespace

// ---- what the other files use

char *Buffer::grown(size_t more) {
    const size_t wanted = 2 * size + more;
    auto *found = static_cast<char *>(PyMem_Realloc(bytes == inside ? nullptr : bytes, wanted));
    if (!found) return PyErr_NoMemory(), nullptr;
    if (bytes == inside) memcpy(found, inside, size);
    bytes = found, capacity = wanted;
    return bytes + size;
}

PyObject *taken_error() {
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    PyErr_NormalizeException(&type, &error, &trace);
    const Ref owned_type(type), owned_trace(trace);
    if (trace) PyException_SetTraceback(error, trace);
    return error;
}

PyObject *text_of(const char *text, size_t length) {
    PyObject *found = PyUnicode_DecodeUTF8(text, length, nullptr);
    if (!found && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) PyErr_Clear();
    return found;
}

bool dump_message(PyObject *plan, PyObject *message, Buffer &out) {
    return dump_fields(reinterpret_cast<Plan *>(plan), message, out);
}

PyObject *load_text(PyObject *plan, const char *text, size_t length) {
    Input in(text, length);
    Ref message(load_fields(reinterpret_cast<Plan *>(plan), in));
    return in.at == in.end ? message.release() : nullptr;
}

bool is_plan(PyObject *object) { return Py_IS_TYPE(object, plan_type); }

int add_codec(PyObject *module) {
    plan_type = reinterpret_cast<PyTypeObject *>(PyType_FromSpec(&plan_spec));
    const Ref constructor(PyType_FromSpec(&constructor_spec));
    if (!plan_type || !constructor || PyModule_AddType(module, plan_type) < 0) return -1;
    return PyModule_AddType(module, reinterpret_cast<PyTypeObject *>(constructor.held));
}
