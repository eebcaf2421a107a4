#pragma once
// What the agent's commands say to a person. Plain stdio: the standard library's streams, with their locales, are a
// tenth of a static program, and the agent must stay under 9 MB.
#include <cstdio>
#include <string>
#include <string_view>

namespace belay {

inline void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }
inline void print_error(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

// A line of standard input without its end, at most `bytes_max` of it; empty at the end of input.
inline std::string read_line(std::size_t bytes_max) {
  std::string line;
  for (int c = std::getc(stdin); c != EOF && c != '\n' && line.size() < bytes_max; c = std::getc(stdin))
    line += static_cast<char>(c);
  return line;
}

}  // namespace belay
