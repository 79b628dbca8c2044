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
#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace {

constexpr int DEEPEST = 32;  // levels of messages; pydantic reads JSON of up to 200 levels

struct Plan;
struct Field {
    PyObject *name;  // interned: in an instance's dict the key is this very object
    PyObject *key;   // bytes: "name": as it stands in the text
    int kind;        // 'f'loat, 'i'nt, 'b'ool, 's'tr, 'm'essage
    int is_list;
    Plan *inner;     // of a message
    long long low;   // of an int
    unsigned long long high;
    Py_ssize_t least, most;  // items of a list
    int how;                 // the default: 'v' this value, 'c' a call of it, 'n' a new inner message,
    PyObject *usual;         // '-' none: the field is required
};

struct Plan {
    PyObject_HEAD
    PyTypeObject *cls;
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

// ---- dump

int dump_text(PyObject *value, Buffer &out) {
    if (!PyUnicode_CheckExact(value)) return 0;
    Py_ssize_t length;
    const char *text = utf8_of(value, &length);
    if (!text) return PyErr_Occurred() ? -1 : 0;
    if (!is_plain(text, length)) return 0;
    char *to = out.room(length + 2);
    if (!to) return -1;
    to[0] = to[length + 1] = '"';
    memcpy(to + 1, text, length);
    out.size += length + 2;
    return 1;
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

int dump_float(PyObject *value, Buffer &out) {
    if (!PyFloat_CheckExact(value)) return 0;
    double number = PyFloat_AS_DOUBLE(value);
    if (number == 0) return std::signbit(number) ? out.put("-0.0", 4) : out.put("0.0", 3);
    if (std::isnan(number)) return out.put("\"NaN\"", 5);
    if (std::isinf(number)) return number > 0 ? out.put("\"Infinity\"", 10) : out.put("\"-Infinity\"", 11);
    char *const start = out.room(40), *to = start;
    if (!to) return -1;
    if (std::signbit(number)) *to++ = '-', number = -number;
    if (number >= 1e16) return 0;  // its form depends on pydantic's version
    char *end = put_millionths(to, number);
    if (!end) end = put_digits(to, number);
    out.size += end - start;
    return 1;
}

int dump_integer(const Field &field, PyObject *value, Buffer &out) {
    long long number;
    if (!is_in_range(field, value, number)) return 0;
    char *to = out.room(24);
    if (!to) return -1;
    out.size += std::to_chars(to, to + 24, number).ptr - to;
    return 1;
}

int dump_fields(Plan *plan, PyObject *message, Buffer &out);

int dump_item(const Field &field, PyObject *value, Buffer &out) {
    switch (field.kind) {
        case 'f': return dump_float(value, out);
        case 'i': return dump_integer(field, value, out);
        case 's': return dump_text(value, out);
        case 'm': return dump_fields(field.inner, value, out);
    }
    if (value == Py_True) return out.put("true", 4);
    return value == Py_False ? out.put("false", 5) : 0;
}

int dump_list(const Field &field, PyObject *list, Buffer &out) {
    if (!PyList_CheckExact(list)) return 0;
    if (PyList_GET_SIZE(list) < field.least || PyList_GET_SIZE(list) > field.most) return 0;
    int done = out.put("[", 1);
    for (Py_ssize_t i = 0; done == 1 && i < PyList_GET_SIZE(list); i++) {
        if (i && (done = out.put(",", 1)) != 1) break;
        done = dump_item(field, PyList_GET_ITEM(list, i), out);
    }
    return done == 1 ? out.put("]", 1) : done;
}

// The dict of an instance has the fields in their order and nothing else: pydantic would write what
// is there, in the order it has there.
int dump_dict(Plan *plan, PyObject *dict, Buffer &out) {
    if (!PyDict_CheckExact(dict) || PyDict_GET_SIZE(dict) != plan->count) return 0;
    int done = out.put("{", 1);
    Py_ssize_t at = 0;
    for (Py_ssize_t i = 0; done == 1 && i < plan->count; i++) {
        const Field &field = plan->fields[i];
        PyObject *name, *value;
        if (!PyDict_Next(dict, &at, &name, &value) || name != field.name) return 0;
        if (i && (done = out.put(",", 1)) != 1) break;
        if ((done = out.put(PyBytes_AS_STRING(field.key), PyBytes_GET_SIZE(field.key))) != 1) break;
        Py_INCREF(value);
        done = field.is_list ? dump_list(field, value, out) : dump_item(field, value, out);
        Py_DECREF(value);
    }
    return done == 1 ? out.put("}", 1) : done;
}

int dump_fields(Plan *plan, PyObject *message, Buffer &out) {
    if (Py_TYPE(message) != plan->cls) return 0;
    PyObject *dict = PyObject_GenericGetDict(message, nullptr);
    if (!dict) return -1;
    const int done = dump_dict(plan, dict, out);
    Py_DECREF(dict);
    return done;
}

// ---- load

struct Input {
    const char *at, *end;
    bool take(char c) { return at < end && *at == c ? at++, true : false; }
    bool take(const char *word, size_t length) {
        if (static_cast<size_t>(end - at) < length || memcmp(at, word, length)) return false;
        at += length;
        return true;
    }
    // Digits of a number; `found` has their value as long as they are few.
    bool take_digits(uint64_t &found) {
        const char *start = at;
        for (; at < end && *at >= '0' && *at <= '9'; at++) found = found * 10 + (*at - '0');
        return at > start;
    }
};

PyObject *load_special_float(Input &in) {
    if (in.take("\"NaN\"", 5)) return PyFloat_FromDouble(Py_NAN);
    if (in.take("\"Infinity\"", 10)) return PyFloat_FromDouble(Py_HUGE_VAL);
    return in.take("\"-Infinity\"", 11) ? PyFloat_FromDouble(-Py_HUGE_VAL) : nullptr;
}

// A number by JSON's grammar. With up to 15 digits and no exponent it is the quotient of two floats
// that are exact, and so is exact itself; from_chars does the others.
PyObject *load_float(Input &in) {
    static const double tens[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    if (in.at < in.end && *in.at == '"') return load_special_float(in);
    const char *start = in.at;
    const bool is_negative = in.take('-');
    const char *first = in.at;
    uint64_t digits = 0, exponent = 0;
    if (!in.take_digits(digits) || (*first == '0' && in.at > first + 1)) return nullptr;
    const char *point = in.at;
    if (in.take('.') && !in.take_digits(digits)) return nullptr;
    const Py_ssize_t decimals = in.at > point ? in.at - point - 1 : 0;
    const bool is_short = in.at - first <= 15;
    if (in.take('e') || in.take('E')) {
        if (!in.take('-')) in.take('+');
        if (!in.take_digits(exponent)) return nullptr;
    } else if (is_short && (decimals || !is_negative || digits)) {
        const double found = static_cast<double>(digits) / tens[decimals];
        return PyFloat_FromDouble(is_negative ? -found : found);
    }
    if (in.at == point) return nullptr;  // an integer of many digits, or -0, which pydantic reads as 0.0
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
    PyObject *found = PyUnicode_DecodeUTF8(start, quote - start, nullptr);
    if (!found && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) PyErr_Clear();
    return found;
}

PyObject *load_fields(Plan *plan, Input &in);

PyObject *load_item(const Field &field, Input &in) {
    switch (field.kind) {
        case 'f': return load_float(in);
        case 'i': return load_integer(field, in);
        case 's': return load_string(in);
        case 'm': return load_fields(field.inner, in);
    }
    if (in.take("true", 4)) return Py_NewRef(Py_True);
    return in.take("false", 5) ? Py_NewRef(Py_False) : nullptr;
}

bool load_items(const Field &field, Input &in, PyObject *list) {
    if (!in.take('[')) return false;
    if (in.take(']')) return field.least == 0;
    Py_ssize_t count = 0, reserved = PyList_GET_SIZE(list);
    do {
        PyObject *item = load_item(field, in);
        if (!item) return false;
        if (count++ < reserved) {
            PyList_SET_ITEM(list, count - 1, item);
            continue;
        }
        const int failed = PyList_Append(list, item);
        Py_DECREF(item);
        if (failed) return false;
    } while (in.take(','));
    return in.take(']') && count >= field.least && count <= field.most;
}

PyObject *load_list(const Field &field, Input &in) {
    PyObject *list = PyList_New(field.least > 64 ? 0 : field.least);
    if (list && !load_items(field, in, list)) Py_CLEAR(list);
    return list;
}

bool set_item(PyObject *dict, const Field &field, PyObject *value) {  // takes the value, which may be nullptr
    const bool done = value && PyDict_SetItem(dict, field.name, value) == 0;
    Py_XDECREF(value);
    return done;
}

bool load_dict(Plan *plan, Input &in, PyObject *dict) {
    if (!in.take('{')) return false;
    for (Py_ssize_t i = 0; i < plan->count; i++) {
        const Field &field = plan->fields[i];
        if (i && !in.take(',')) return false;
        if (!in.take(PyBytes_AS_STRING(field.key), PyBytes_GET_SIZE(field.key))) return false;
        if (!set_item(dict, field, field.is_list ? load_list(field, in) : load_item(field, in))) return false;
    }
    return in.take('}');
}

void set_slot(PyObject *message, Py_ssize_t at, PyObject *value) {
    auto &slot = *reinterpret_cast<PyObject **>(reinterpret_cast<char *>(message) + at);
    Py_XSETREF(slot, Py_NewRef(value));
}

// Make an instance what pydantic would: the dict of its fields, and which of them were set.
int set_message(Plan *plan, PyObject *message, PyObject *dict, PyObject *names) {
    if (PyObject_GenericSetDict(message, dict, nullptr) < 0) return -1;
    set_slot(message, plan->fields_set_at, names);
    set_slot(message, plan->extra_at, Py_None);
    set_slot(message, plan->private_at, Py_None);
    return 1;
}

PyObject *load_fields(Plan *plan, Input &in) {
    PyObject *dict = PyDict_Copy(plan->blank), *names = nullptr, *message = nullptr;
    if (dict && load_dict(plan, in, dict) && (names = PySet_New(plan->names)) &&
        (message = plan->cls->tp_alloc(plan->cls, 0)) && set_message(plan, message, dict, names) < 0)
        Py_CLEAR(message);
    Py_XDECREF(dict);
    Py_XDECREF(names);
    return message;
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

int fill(Plan *plan, PyObject *message, PyObject *given);

PyObject *usual_of(const Field &field) {
    if (field.how == 'v') return Py_NewRef(field.usual);
    if (field.how == 'c') return PyObject_CallNoArgs(field.usual);
    PyObject *message = field.inner->cls->tp_alloc(field.inner->cls, 0);
    if (message && fill(field.inner, message, nullptr) != 1) Py_CLEAR(message);
    return message;
}

// First all that is given, and then the defaults: they call functions, which may be the user's.
int fill_dict(Plan *plan, PyObject *given, PyObject *dict, PyObject *names) {
    Py_ssize_t found = 0;
    for (Py_ssize_t i = 0; given && i < plan->count; i++) {
        const Field &field = plan->fields[i];
        PyObject *value = PyDict_GetItemWithError(given, field.name);
        if (!value && (field.how == '-' || PyErr_Occurred())) return PyErr_Occurred() ? -1 : 0;
        if (!value) continue;
        if (!set_item(dict, field, held(field, value))) return PyErr_Occurred() ? -1 : 0;
        if (PySet_Add(names, field.name) < 0) return -1;
        found++;
    }
    if (given && found != PyDict_GET_SIZE(given)) return 0;
    for (Py_ssize_t i = 0; i < plan->count; i++) {
        const Field &field = plan->fields[i];
        if (found && PySet_Contains(names, field.name)) continue;
        if (!set_item(dict, field, usual_of(field))) return -1;
    }
    return 1;
}

int fill(Plan *plan, PyObject *message, PyObject *given) {
    PyObject *dict = PyDict_Copy(plan->blank), *names = PySet_New(nullptr);
    int done = dict && names ? fill_dict(plan, given, dict, names) : -1;
    if (done == 1) done = set_message(plan, message, dict, names);
    Py_XDECREF(dict);
    Py_XDECREF(names);
    return done;
}

// ---- the type Plan

PyObject *plan_dump(PyObject *self, PyObject *message) {
    Buffer out;
    const int done = dump_message(self, message, out);
    return done < 0 ? nullptr : done ? PyBytes_FromStringAndSize(out.bytes, out.size) : Py_NewRef(Py_None);
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
    for (Py_ssize_t i = 0; i < plan->count; i++) {
        const Field &field = plan->fields[i];
        for (PyObject *each : {field.name, field.key, field.usual}) Py_XDECREF(each);
        Py_XDECREF(reinterpret_cast<PyObject *>(field.inner));
    }
    PyMem_Free(plan->fields);
    Py_XDECREF(reinterpret_cast<PyObject *>(plan->cls));
    Py_XDECREF(plan->blank);
    Py_XDECREF(plan->names);
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

// One field as messages/codec.py gives it; it is zeroed before.
bool set_field(Plan *plan, Field &field, PyObject *given) {
    PyObject *name, *inner, *usual;
    if (!PyArg_ParseTuple(given, "UCOpLKnnCO", &name, &field.kind, &inner, &field.is_list, &field.low, &field.high,
                          &field.least, &field.most, &field.how, &usual))
        return false;
    field.usual = Py_NewRef(usual);
    field.name = Py_NewRef(name);
    PyUnicode_InternInPlace(&field.name);
    const char *text = PyUnicode_AsUTF8(name);
    if (!text || !(field.key = PyBytes_FromFormat("\"%s\":", text))) return false;
    if (field.kind == 'm') {
        if (Py_TYPE(inner) != plan_type) return PyErr_SetString(PyExc_TypeError, "a message needs a plan"), false;
        field.inner = reinterpret_cast<Plan *>(Py_NewRef(inner));
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
    plan->cls = reinterpret_cast<PyTypeObject *>(Py_NewRef(cls));
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
    PyObject *python, *doc, *plans;  // the method in Python, and all plans by their classes
};

PyObject *construct(PyObject *self, PyObject *args, PyObject *fields) {
    const auto *of = reinterpret_cast<Constructor *>(self);
    if (PyTuple_GET_SIZE(args) == 1) {
        PyObject *message = PyTuple_GET_ITEM(args, 0);
        PyObject *plan = PyDict_GetItemWithError(of->plans, reinterpret_cast<PyObject *>(Py_TYPE(message)));
        const int done = plan && is_plan(plan) ? fill(reinterpret_cast<Plan *>(plan), message, fields) : 0;
        if (done > 0) Py_RETURN_NONE;
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
    made->doc = PyObject_GetAttrString(python, "__doc__");
    return made->doc ? self : nullptr;
}

PyMemberDef constructor_members[] = {{"__doc__", T_OBJECT, offsetof(Constructor, doc), READONLY, nullptr}, {}};

PyType_Slot constructor_slots[] = {  // it is never freed, as the class whose method it is
    {Py_tp_new, reinterpret_cast<void *>(constructor_new)},
    {Py_tp_call, reinterpret_cast<void *>(construct)},
    {Py_tp_descr_get, reinterpret_cast<void *>(bound)},
    {Py_tp_getattro, reinterpret_cast<void *>(attribute)},
    {Py_tp_members, constructor_members},
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

int dump_message(PyObject *plan, PyObject *message, Buffer &out) {
    return dump_fields(reinterpret_cast<Plan *>(plan), message, out);
}

PyObject *load_text(PyObject *plan, const char *text, size_t length) {
    Input in{text, text + length};
    PyObject *message = load_fields(reinterpret_cast<Plan *>(plan), in);
    if (message && in.at != in.end) Py_CLEAR(message);
    return message;
}

bool is_plan(PyObject *object) { return Py_IS_TYPE(object, plan_type); }

int add_codec(PyObject *module) {
    plan_type = reinterpret_cast<PyTypeObject *>(PyType_FromSpec(&plan_spec));
    const Ref constructor(PyType_FromSpec(&constructor_spec));
    if (!plan_type || !constructor || PyModule_AddType(module, plan_type) < 0) return -1;
    return PyModule_AddType(module, reinterpret_cast<PyTypeObject *>(constructor.held));
}
