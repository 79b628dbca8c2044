// A frame of the protocol (dsmq/wire.py), as the kit itself writes it: fields in order, no spaces between.
#pragma once
#include <cstdint>

#include "speedups.h"

struct Frame {
    const char *at, *end;
    Frame(const char *frame, size_t size) : at(frame), end(frame + size) {}
    template <size_t size>
    bool take(const char (&word)[size]) {
        if (end - at < static_cast<Py_ssize_t>(size - 1) || memcmp(at, word, size - 1)) return false;
        at += size - 1;
        return true;
    }
    bool take_number(uint64_t &found) {
        const char *start = at;
        for (found = 0; at < end && at - start < 19 && *at >= '0' && *at <= '9'; at++) found = found * 10 + (*at - '0');
        return at > start && found <= INT64_MAX && (*start != '0' || at == start + 1);
    }
    bool take_name(const char *&name, size_t &length) {  // with its quotes, and nothing escaped in it
        name = at;
        if (!take("\"")) return false;
        while (at < end && *at != '"' && *at != '\\' && static_cast<unsigned char>(*at) >= 0x20) at++;
        length = at + 1 - name;
        return take("\"");
    }
    bool is_alone() {  // its header says that nothing is behind it
        uint64_t size;
        return take("{\"msg_length\": ") && take_number(size) && take("}") &&
               static_cast<int64_t>(size) - 1000000 == end - at;
    }
};
