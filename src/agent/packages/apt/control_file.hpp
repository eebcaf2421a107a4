#pragma once
// deb822, the form of dpkg's and apt's files: paragraphs of "Name: value" lines, apart by blank lines, a value going on
// in lines that start with white space (deb-control(5)). Views only, nothing is copied.
#include <cstdint>
#include <cstring>
#include <string_view>

namespace belay::agent::apt {

class Stanza {
 public:
  explicit Stanza(std::string_view text) : text_(text) {}
  // The value without the white space around it, further lines included as they stand; "" where there is no such
  // field. Names are told apart without regard to case.
  std::string_view field(std::string_view name) const;
  std::string_view text() const { return text_; }

 private:
  std::string_view text_;
};

// Takes the first paragraph off `text`; false where there is none left. Comment lines (#) are part of the paragraph.
inline bool take_stanza(std::string_view& text, std::string_view& stanza) {
  while (!text.empty() && text.front() == '\n') text.remove_prefix(1);
  if (text.empty()) return false;
  const void* end = ::memmem(text.data(), text.size(), "\n\n", 2);
  const auto length = end ? static_cast<std::size_t>(static_cast<const char*>(end) - text.data()) + 1 : text.size();
  stanza = text.substr(0, length);
  text.remove_prefix(length);
  return true;
}

template <typename Visit>
void for_each_stanza(std::string_view text, Visit&& visit) {
  for (std::string_view stanza; take_stanza(text, stanza);) visit(Stanza(stanza));
}

// The whole number at the front; 0 where there is none or it does not fit.
std::uint64_t whole_number(std::string_view text);

}  // namespace belay::agent::apt
