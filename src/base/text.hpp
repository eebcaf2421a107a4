#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace belay {

std::string_view trim(std::string_view text);                                // ASCII white space
std::vector<std::string_view> split(std::string_view text, char separator);  // keeps empty parts; "" is one empty part
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string to_lower(std::string_view text);  // ASCII
bool equal_ignoring_case(std::string_view a, std::string_view b);

// The candidate that a mistyped word was probably meant to be, case aside; "" where none is near.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);

// `*` any run, `?` one byte, `[a-z]` `[!a-z]` a class. Linear in text × pattern, never exponential.
bool glob_match(std::string_view pattern, std::string_view text);

bool is_valid_utf8(std::string_view text);
// Safe to print and to keep: invalid UTF-8 becomes U+FFFD, control characters but \n and \t become \xHH,
// at most `bytes_max` bytes (cut at a character, with "…").
std::string sanitize(std::string_view text, std::size_t bytes_max);

}  // namespace belay
