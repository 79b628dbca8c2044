// A frame of the protocol (dsmq/wire.py), as the kit itself writes it: fields in order, no spaces between.
#pragma once
#include <errno.h>
#include <sys/socket.h>

#include <charconv>
#include <cstdint>

#include "speedups.h"

constexpr size_t HEADER_BYTES = 23, MOST_BODY_BYTES = 8999999;

struct Frame : Input {
    using Input::Input;
    bool take_number(uint64_t &found) {  // below 2**63
        const char *start = at;
        const auto done = std::from_chars(at, end, found);
        at = done.ptr;
        return done.ec == std::errc() && found <= INT64_MAX && (*start != '0' || at == start + 1);
    }
    bool take_name(const char *&name, size_t &length) {  // with its quotes, and nothing escaped in it
        name = at;
        if (!take('"')) return false;
        while (at < end && *at != '"' && *at != '\\' && static_cast<unsigned char>(*at) >= 0x20) at++;
        length = at + 1 - name;
        return take('"');
    }
    bool is_alone() {  // its header says that nothing is behind it
        uint64_t size;
        return take("{\"msg_length\": ") && take_number(size) && take('}') &&
               static_cast<int64_t>(size) - 1000000 == end - at;
    }
};

struct NewFrame : Buffer {
    NewFrame() { size = HEADER_BYTES; }
    bool put_number(int64_t number) {
        char *to = room(24);
        if (to) size += std::to_chars(to, to + 24, number).ptr - to;
        return to;
    }
    bool put_escaped(const Buffer &text) {  // false: it has what is not usual in JSON
        char *to = room(2 * text.size);
        for (size_t i = 0; to && i < text.size; i++) {
            const char c = text.bytes[i];
            if (static_cast<unsigned char>(c) < 0x20) return false;
            if (c == '"' || c == '\\') *to++ = '\\';
            *to++ = c;
        }
        if (to) size = to - bytes;
        return to;
    }
    bool finish() {  // false: it is too large
        char header[HEADER_BYTES + 1];
        if (size - HEADER_BYTES > MOST_BODY_BYTES) return false;
        PyOS_snprintf(header, sizeof header, "{\"msg_length\": %07zu}", 1000000 + size - HEADER_BYTES);
        memcpy(bytes, header, HEADER_BYTES);
        return true;
    }
};

// Reads once and has it used, or, where `use` says ODD, read on by Python. EMPTY: nothing was there; ODD: the socket is closed.
template <class Use, class ReadOn>
Step read_once(int descriptor, Use use, ReadOn read_on) {
    constexpr size_t MOST = 65536;
    Buffer data;
    char *to = data.room(MOST);
    if (!to) return ODD;
    const ssize_t got = recv(descriptor, to, MOST, MSG_DONTWAIT);
    if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? EMPTY : ODD;
    const Step step = use(to, got);
    return step == ODD && !PyErr_Occurred() ? read_on(to, got) : step;
}
