// The seam `codec`: messages of one type to JSON text and back, without pydantic on the way.
//
// A Plan has what `messages/codec.py` found in the type's pydantic schema: the fields in their
// order, each a float, an int with its range, a bool, a str, a message with a plan, or a list of
// those. `dump` writes what pydantic would write, to the byte. `load` reads the form that `dump`
// writes: all fields, in order, nothing between the tokens. Everything else is not for us: another
// order, spaces, escapes in a string, a value of another type, a length out of its limits, a float
// of 1e16 or more, a text that is damaged. Recursion is as deep as types are nested, which the plan
// knows; a plan never contains itself.
#include "speedups.h"

#include <structmember.h>  // part of Python.h from 3.12 on

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace {

enum class Kind : char { floating = 'f', integer = 'i', boolean = 'b', text = 's', message = 'm' };

struct Plan;
struct Field {
    PyObject *name;  // interned: in an instance's dict the key is this very object
    PyObject *key;   // bytes: "name": as it stands in the text
    Plan *inner;     // of a message
    Kind kind;
    bool is_list;
    int64_t low;  // of an integer
    uint64_t high;
    Py_ssize_t least, most;  // items of a list
};

struct Plan {
    PyObject_HEAD
    PyTypeObject *cls;
    PyObject *blank;  // dict: every name, in order
    PyObject *names;  // set: model_fields_set of a message that was loaded
    Field *fields;
    Py_ssize_t count, depth;
    Py_ssize_t fields_set_at, extra_at, private_at;  // pydantic's slots in an instance
};

// ---- dump

bool is_plain(const char *text, size_t length) {  // eight at a time: nothing to escape
    constexpr uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
    uint64_t found = 0;
    size_t i = 0;
    for (; i + 8 <= length; i += 8) {
        uint64_t eight;
        memcpy(&eight, text + i, 8);
        const uint64_t quote = eight ^ (ones * '"'), backslash = eight ^ (ones * '\\');
        found |= ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) |
                 ((eight - ones * 0x20) & ~eight);
    }
    if (found & tops) return false;
    for (; i < length; i++) {
        const unsigned char c = text[i];
        if (c < 0x20 || c == '"' || c == '\\') return false;
    }
    return true;
}

char *escaped(char *to, unsigned char c) {
    static const char names[] = "\"\"\\\\\bb\tt\nn\ff\rr";
    for (const char *name = names; *name; name += 2) {
        if (static_cast<unsigned char>(*name) != c) continue;
        *to++ = '\\', *to++ = name[1];
        return to;
    }
    if (c >= 0x20) {
        *to++ = static_cast<char>(c);
        return to;
    }
    memcpy(to, "\\u00", 4);
    to[4] = static_cast<char>('0' + (c >> 4)), to[5] = "0123456789abcdef"[c & 15];
    return to + 6;
}

int dump_text(PyObject *value, Buffer &out) {
    if (!PyUnicode_CheckExact(value)) return 0;
    Py_ssize_t length;
    const char *text = PyUnicode_AsUTF8AndSize(value, &length);
    if (!text) {  // half of a surrogate pair, which UTF-8 does not have
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) return -1;
        PyErr_Clear();
        return 0;
    }
    const bool plain = is_plain(text, length);
    char *to = out.room((plain ? length : 6 * static_cast<size_t>(length)) + 2);
    if (!to) return -1;
    char *const start = to;
    *to++ = '"';
    if (plain) memcpy(to, text, length), to += length;
    else for (Py_ssize_t i = 0; i < length; i++) to = escaped(to, text[i]);
    *to++ = '"';
    out.size += to - start;
    return 1;
}

// Few decimals: millionths that give the float again are its shortest digits, as there are at most
// 15 of them. nullptr: there are more.
char *put_millionths(char *to, double number) {
    if (number >= 1e9 || (number < 1e-5 && number != 0)) return nullptr;
    const auto millionths = static_cast<uint64_t>(number * 1e6 + 0.5);
    if (static_cast<double>(millionths) / 1e6 != number) return nullptr;
    to = std::to_chars(to, to + 10, millionths / 1000000).ptr;
    auto decimals = static_cast<uint32_t>(millionths % 1000000);
    *to = '.';
    for (int i = 6; i > 0; i--, decimals /= 10) to[i] = static_cast<char>('0' + decimals % 10);
    for (to += 7; to[-1] == '0' && to[-2] != '.'; to--) {}
    return to;
}

// The shortest digits that give the float again, laid out as pydantic does: with a point down to
// 0.00001, with an exponent below that.
char *put_digits(char *to, double number) {
    char found[32];
    const char *end = std::to_chars(found, found + sizeof found, number, std::chars_format::scientific).ptr;
    const char *mark = end;
    while (*--mark != 'e') {}
    int exponent = 0;
    std::from_chars(mark + 2, end, exponent);
    if (mark[1] == '-') exponent = -exponent;
    char *digits = found;
    if (found[1] == '.') *++digits = found[0];
    const Py_ssize_t count = mark - digits;
    if (exponent < -5) {
        *to++ = digits[0];
        if (count > 1) *to++ = '.', memcpy(to, digits + 1, count - 1), to += count - 1;
        *to++ = 'e';
        return std::to_chars(to, to + 5, exponent).ptr;
    }
    if (exponent < 0) {
        memcpy(to, "0.0000", 6), to += 1 - exponent;
        memcpy(to, digits, count);
        return to + count;
    }
    const Py_ssize_t whole = exponent + 1;
    for (Py_ssize_t i = 0; i < whole; i++) *to++ = i < count ? digits[i] : '0';
    *to++ = '.';
    if (count <= whole) return *to++ = '0', to;
    memcpy(to, digits + whole, count - whole);
    return to + count - whole;
}

int dump_float(PyObject *value, Buffer &out) {
    if (!PyFloat_CheckExact(value)) return 0;
    double number = PyFloat_AS_DOUBLE(value);
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
    if (!PyLong_CheckExact(value)) return 0;
    int overflow;
    const long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow || number < field.low) return 0;
    if (number > 0 && static_cast<uint64_t>(number) > field.high) return 0;
    char *to = out.room(24);
    if (!to) return -1;
    out.size += std::to_chars(to, to + 24, number).ptr - to;
    return 1;
}

int dump_fields(Plan *plan, PyObject *message, Buffer &out);

int dump_item(const Field &field, PyObject *value, Buffer &out) {
    switch (field.kind) {
        case Kind::floating: return dump_float(value, out);
        case Kind::integer: return dump_integer(field, value, out);
        case Kind::text: return dump_text(value, out);
        case Kind::message: return dump_fields(field.inner, value, out);
        case Kind::boolean:
            if (value == Py_True) return out.put("true", 4);
            return value == Py_False ? out.put("false", 5) : 0;
    }
    return 0;
}

int dump_list(const Field &field, PyObject *list, Buffer &out) {
    if (!PyList_CheckExact(list)) return 0;
    const Py_ssize_t count = PyList_GET_SIZE(list);
    if (count < field.least || count > field.most) return 0;
    int done = out.put("[", 1);
    for (Py_ssize_t i = 0; done == 1 && i < PyList_GET_SIZE(list); i++) {
        if (i && (done = out.put(",", 1)) != 1) break;
        done = dump_item(field, PyList_GET_ITEM(list, i), out);
    }
    return done == 1 ? out.put("]", 1) : done;
}

// The dict of an instance has the fields in their order and nothing else; pydantic would write them
// in the order they have there.
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
    bool is_digit() const { return at < end && *at >= '0' && *at <= '9'; }
};

// Digits of a JSON number; `found` has their value as long as they are few.
bool take_digits(Input &in, uint64_t &found) {
    const char *start = in.at;
    for (; in.is_digit(); in.at++) found = found * 10 + (*in.at - '0');
    return in.at > start;
}

PyObject *load_special_float(Input &in) {
    double found;
    if (in.take("\"NaN\"", 5)) found = Py_NAN;
    else if (in.take("\"Infinity\"", 10)) found = Py_HUGE_VAL;
    else if (in.take("\"-Infinity\"", 11)) found = -Py_HUGE_VAL;
    else return nullptr;
    return PyFloat_FromDouble(found);
}

// A number by JSON's grammar. With up to 15 digits and no exponent it is the quotient of two floats
// that are exact, and so is exact itself; from_chars does the others.
PyObject *load_float(Input &in) {
    static const double tens[] = {1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    if (in.at < in.end && *in.at == '"') return load_special_float(in);
    const char *start = in.at;
    const bool negative = in.take('-');
    const char *first = in.at;
    uint64_t digits = 0;
    if (!take_digits(in, digits) || (*first == '0' && in.at > first + 1)) return nullptr;
    const char *point = in.at;
    if (in.take('.') && !take_digits(in, digits)) return nullptr;
    const Py_ssize_t decimals = in.at > point ? in.at - point - 1 : 0;
    const bool is_short = in.at - first <= 16;  // with the point
    if (in.at < in.end && (*in.at == 'e' || *in.at == 'E')) {
        in.at++;
        if (!in.take('-')) in.take('+');
        uint64_t ignored = 0;
        if (!take_digits(in, ignored)) return nullptr;
    } else if (is_short && (decimals || !negative || digits)) {
        const double found = static_cast<double>(digits) / tens[decimals];
        return PyFloat_FromDouble(negative ? -found : found);
    }
    if (in.at == point) return nullptr;  // an integer of many digits, or -0, which is 0.0
    double found;
    const auto done = std::from_chars(start, in.at, found);
    return done.ec == std::errc() && done.ptr == in.at ? PyFloat_FromDouble(found) : nullptr;
}

PyObject *load_integer(const Field &field, Input &in) {
    const char *start = in.at;
    const bool negative = in.take('-');
    if (!in.is_digit() || (*in.at == '0' && (negative || (in.end - in.at > 1 && in.at[1] >= '0' && in.at[1] <= '9'))))
        return nullptr;
    if (negative) {
        int64_t found;
        const auto done = std::from_chars(start, in.end, found);
        if (done.ec != std::errc() || found < field.low) return nullptr;
        in.at = done.ptr;
        return PyLong_FromLongLong(found);
    }
    uint64_t found;
    const auto done = std::from_chars(start, in.end, found);
    if (done.ec != std::errc() || found > field.high) return nullptr;
    if (field.low > 0 && found < static_cast<uint64_t>(field.low)) return nullptr;
    in.at = done.ptr;
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
        case Kind::floating: return load_float(in);
        case Kind::integer: return load_integer(field, in);
        case Kind::text: return load_string(in);
        case Kind::message: return load_fields(field.inner, in);
        case Kind::boolean:
            if (in.take("true", 4)) return Py_NewRef(Py_True);
            return in.take("false", 5) ? Py_NewRef(Py_False) : nullptr;
    }
    return nullptr;
}

bool load_items(const Field &field, Input &in, PyObject *list) {
    if (!in.take('[')) return false;
    Py_ssize_t count = 0;
    if (in.take(']')) return field.least == 0;
    do {
        PyObject *item = load_item(field, in);
        if (!item) return false;
        if (count++ < field.least) {
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
    PyObject *list = PyList_New(field.least);
    if (list && !load_items(field, in, list)) Py_CLEAR(list);
    return list;
}

PyObject *&slot(PyObject *message, Py_ssize_t at) {
    return *reinterpret_cast<PyObject **>(reinterpret_cast<char *>(message) + at);
}

// A new instance as pydantic makes it, around the dict of its fields.
PyObject *new_message(Plan *plan, PyObject *dict) {
    PyObject *message = plan->cls->tp_alloc(plan->cls, 0);
    if (!message) return nullptr;
    PyObject *names = PySet_New(plan->names);
    if (!names || PyObject_GenericSetDict(message, dict, nullptr) < 0) {
        Py_XDECREF(names);
        Py_DECREF(message);
        return nullptr;
    }
    slot(message, plan->fields_set_at) = names;
    slot(message, plan->extra_at) = Py_NewRef(Py_None);
    slot(message, plan->private_at) = Py_NewRef(Py_None);
    return message;
}

bool load_dict(Plan *plan, Input &in, PyObject *dict) {
    if (!in.take('{')) return false;
    for (Py_ssize_t i = 0; i < plan->count; i++) {
        const Field &field = plan->fields[i];
        if (i && !in.take(',')) return false;
        if (!in.take(PyBytes_AS_STRING(field.key), PyBytes_GET_SIZE(field.key))) return false;
        PyObject *value = field.is_list ? load_list(field, in) : load_item(field, in);
        if (!value) return false;
        const int failed = PyDict_SetItem(dict, field.name, value);
        Py_DECREF(value);
        if (failed) return false;
    }
    return in.take('}');
}

PyObject *load_fields(Plan *plan, Input &in) {
    PyObject *dict = PyDict_Copy(plan->blank);
    if (!dict) return nullptr;
    PyObject *message = load_dict(plan, in, dict) ? new_message(plan, dict) : nullptr;
    Py_DECREF(dict);
    return message;
}

// ---- the type Plan

PyTypeObject *plan_type = nullptr;
Buffer spare;  // of the last dump, for the next one

PyObject *plan_dump(PyObject *self, PyObject *message) {
    // A finalizer may call this while it runs: so the buffer is taken away meanwhile.
    Buffer out = spare;
    spare = Buffer();
    out.size = 0;
    const int done = dump_message(self, message, out);
    PyObject *text = nullptr;
    if (done == 1) text = PyBytes_FromStringAndSize(out.bytes, out.size);
    else if (!done) text = Py_NewRef(Py_None);
    if (out.capacity > (1 << 20) || spare.bytes) out.release();
    else spare = out;
    return text;
}

PyObject *plan_load(PyObject *self, PyObject *text) {
    PyObject *found = nullptr;
    if (PyBytes_CheckExact(text)) {
        found = load_text(self, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text));
    } else if (PyUnicode_CheckExact(text)) {
        Py_ssize_t length;
        const char *bytes = PyUnicode_AsUTF8AndSize(text, &length);
        if (bytes) found = load_text(self, bytes, length);
        else if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) PyErr_Clear();
    }
    if (found || PyErr_Occurred()) return found;
    return Py_NewRef(Py_None);
}

void plan_dealloc(PyObject *self) {
    auto *plan = reinterpret_cast<Plan *>(self);
    for (Py_ssize_t i = 0; i < plan->count; i++) {
        Py_XDECREF(plan->fields[i].name);
        Py_XDECREF(plan->fields[i].key);
        Py_XDECREF(reinterpret_cast<PyObject *>(plan->fields[i].inner));
    }
    PyMem_Free(plan->fields);
    Py_XDECREF(reinterpret_cast<PyObject *>(plan->cls));
    Py_XDECREF(plan->blank);
    Py_XDECREF(plan->names);
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

// One field: (name, kind, inner plan or None, is a list, low, high, least, most).
bool set_field(Plan *plan, Field &field, PyObject *given) {
    PyObject *name, *inner, *high;
    int kind, is_list;
    long long low;
    if (!PyArg_ParseTuple(given, "UCOpLOnn", &name, &kind, &inner, &is_list, &low, &high, &field.least, &field.most))
        return false;
    field.name = Py_NewRef(name);
    PyUnicode_InternInPlace(&field.name);
    const char *text = PyUnicode_AsUTF8(name);
    if (!text || !(field.key = PyBytes_FromFormat("\"%s\":", text))) return false;
    field.kind = static_cast<Kind>(kind);
    field.is_list = is_list;
    field.low = low;
    field.high = PyLong_AsUnsignedLongLong(high);
    if (PyErr_Occurred()) return false;
    if ((field.kind == Kind::message) != (Py_TYPE(inner) == plan_type)) {
        PyErr_SetString(PyExc_TypeError, "a message has a plan, and nothing else has one");
        return false;
    }
    if (field.kind == Kind::message) {
        field.inner = reinterpret_cast<Plan *>(Py_NewRef(inner));
        if (plan->depth <= field.inner->depth) plan->depth = field.inner->depth + 1;
    }
    return PyDict_SetItem(plan->blank, field.name, Py_None) == 0 && PySet_Add(plan->names, field.name) == 0;
}

Py_ssize_t offset_of(PyObject *member) {  // of a slot in its instances; -1 with an exception set
    if (Py_TYPE(member) == &PyMemberDescr_Type)
        return reinterpret_cast<PyMemberDescrObject *>(member)->d_member->offset;
    PyErr_SetString(PyExc_TypeError, "no slot of a class");
    return -1;
}

// Plan(cls, fields, slots): the slots are fields_set, extra and private of pydantic's BaseModel.
PyObject *plan_new(PyTypeObject *type, PyObject *args, PyObject *) {
    PyObject *cls, *fields, *fields_set, *extra, *hidden;
    if (!PyArg_ParseTuple(args, "O!O!(OOO)", &PyType_Type, &cls, &PyTuple_Type, &fields, &fields_set, &extra, &hidden))
        return nullptr;
    auto *plan = reinterpret_cast<Plan *>(type->tp_alloc(type, 0));
    if (!plan) return nullptr;
    auto *self = reinterpret_cast<PyObject *>(plan);
    plan->cls = reinterpret_cast<PyTypeObject *>(Py_NewRef(cls));
    plan->depth = 1;
    plan->blank = PyDict_New();
    plan->names = PySet_New(nullptr);
    plan->fields_set_at = offset_of(fields_set);
    plan->extra_at = offset_of(extra);
    plan->private_at = offset_of(hidden);
    const Py_ssize_t count = PyTuple_GET_SIZE(fields);
    plan->fields = static_cast<Field *>(PyMem_Calloc(count + 1, sizeof(Field)));
    if (!plan->fields) PyErr_NoMemory();
    for (Py_ssize_t i = 0; !PyErr_Occurred() && i < count; i++) {
        plan->count = i + 1;
        set_field(plan, plan->fields[i], PyTuple_GET_ITEM(fields, i));
    }
    if (!PyErr_Occurred()) return self;
    Py_DECREF(self);
    return nullptr;
}

PyObject *plan_depth(PyObject *self, void *) {
    return PyLong_FromSsize_t(reinterpret_cast<Plan *>(self)->depth);
}

PyMethodDef plan_methods[] = {
    {"dump", plan_dump, METH_O, "The JSON text of a message as bytes, or None: not for us."},
    {"load", plan_load, METH_O, "The message in a JSON text, or None: not for us."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef plan_values[] = {
    {"depth", plan_depth, nullptr, "How deep its messages are nested: 1 without inner ones.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot plan_slots[] = {
    {Py_tp_new, reinterpret_cast<void *>(plan_new)},
    {Py_tp_dealloc, reinterpret_cast<void *>(plan_dealloc)},
    {Py_tp_methods, plan_methods},
    {Py_tp_getset, plan_values},
    {0, nullptr},
};

PyType_Spec plan_spec = {
    "dsmq_nodes.speedups._speedups.Plan", sizeof(Plan), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, plan_slots,
};

}  // namespace

// ---- what the other files use

char *Buffer::grown(size_t more) {
    const size_t wanted = 2 * size + more + 256;
    auto *found = static_cast<char *>(PyMem_Realloc(bytes, wanted));
    if (!found) return PyErr_NoMemory(), nullptr;
    bytes = found, capacity = wanted;
    return bytes + size;
}

void Buffer::release() {
    PyMem_Free(bytes);
    *this = Buffer();
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

int add_codec(PyObject *module) {
    plan_type = reinterpret_cast<PyTypeObject *>(PyType_FromSpec(&plan_spec));
    if (!plan_type) return -1;
    return PyModule_AddObjectRef(module, "Plan", reinterpret_cast<PyObject *>(plan_type));
}
