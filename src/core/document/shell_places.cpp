#include "core/document/shell_places.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace belay::document {
namespace {

constexpr char kReference = '\x01';
constexpr char kCode = '\x02';

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n'; }
bool ends_word(char c) { return is_space(c) || std::string_view(";&|()<>").find(c) != std::string_view::npos; }

// For sh itself, or one that reads the quotes the same way.
bool is_for_shell(std::string_view script) {
  if (!script.starts_with("#!")) return true;
  const auto line = trim(script.substr(2, script.find('\n') - 2));
  return line == "/bin/sh" || line == "/bin/bash" || line == "/bin/dash" || line == "/usr/bin/bash" ||
         line == "/usr/bin/sh" || line == "/usr/bin/env bash" || line == "/usr/bin/env sh" || line == "/bin/sh -e" ||
         line == "/bin/bash -e" || line == "/bin/sh -eu" || line == "/bin/bash -eu";
}

class Lexer {
 public:
  explicit Lexer(std::string script) : script_(std::move(script)), lost_(!is_for_shell(script_)) {}

  std::vector<Place> run() {
    while (at_ < script_.size()) step();
    // Quotes that do not add up: what looked like inside may have been outside.
    if (!frames_.empty()) std::ranges::fill(places_, Place::unknown);
    return std::move(places_);
  }

 private:
  enum class Frame { double_quotes, parentheses };

  char peek(std::size_t ahead = 1) const { return at_ + ahead < script_.size() ? script_[at_ + ahead] : '\0'; }
  bool at_word_start() const { return at_ == 0 || ends_word(script_[at_ - 1]); }
  bool word_is(std::string_view word) const {
    return std::string_view(script_).substr(at_, word.size()) == word &&
           (at_ + word.size() >= script_.size() || ends_word(script_[at_ + word.size()]));
  }
  void note(Place place) { places_.push_back(lost_ ? Place::unknown : place); }
  void lose() { lost_ = true; }

  void step() {
    const char c = script_[at_];
    if (c == kCode) note(Place::unknown), lose();
    else if (lost_) {
      if (c == kReference) note(Place::unknown);
      frames_.clear();
    } else if (!frames_.empty() && frames_.back() == Frame::double_quotes) in_double_quotes(c);
    else in_command(c);
    ++at_;
  }

  void in_double_quotes(char c) {
    if (c == kReference) note(Place::double_quoted);
    else if (c == '"') frames_.pop_back();
    else if (c == '`') lose();
    else if (c == '\\') skip_escaped();
    else if (c == '$' && peek() != '"' && peek() != '\'') dollar();
  }

  void in_command(char c) {
    if (at_word_start() && c == '#') {
      const char before = at_ > 0 ? script_[at_ - 1] : '\n';
      return before == '<' || before == '>' ? lose() : comment();
    }
    if (at_word_start() && (word_is("[[") || (word_is("case") && !frames_.empty()))) return lose();
    switch (c) {
      case kReference: return note(Place::plain);
      case '\\': return skip_escaped();
      case '\'': return single_quotes();
      case '"': return frames_.push_back(Frame::double_quotes);
      case '`': return lose();
      case '$': return dollar();
      case '<':
        if (peek() == '<') lose();
        return;
      case '(':
        if (peek() == '(') return lose();
        return frames_.push_back(Frame::parentheses);
      case ')':
        if (!frames_.empty()) frames_.pop_back();
        if (peek() == '#') lose();  // a comment after a subshell, part of the word after $(…)
        return;
      default: return;
    }
  }

  // A backslash takes the next character with it; before a reference or the end of a line it is not worth guessing.
  void skip_escaped() {
    if (peek() == kReference || peek() == kCode) return lose();
    if (ends_word(peek()) && peek(2) == '#') return lose();
    ++at_;
  }

  void single_quotes() {
    for (++at_; at_ < script_.size() && script_[at_] != '\''; ++at_) {
      if (script_[at_] == kReference) note(Place::single_quoted);
      if (script_[at_] == kCode) note(Place::unknown), lose();
    }
    if (at_ >= script_.size()) std::ranges::fill(places_, Place::unknown);
  }

  void comment() {
    for (; at_ < script_.size() && script_[at_] != '\n'; ++at_)
      if (script_[at_] == kReference || script_[at_] == kCode) places_.push_back(Place::unknown);
  }

  void dollar() {
    if (peek() == '\'' || peek() == '"' || peek() == kReference || peek() == kCode || peek() == '[') return lose();
    if (peek() == '(') {
      if (peek(2) == '(') return arithmetic();
      ++at_;
      return frames_.push_back(Frame::parentheses);
    }
    if (peek() == '{') expansion();
  }

  // ${name} and such as ${#name} or ${name%.*}; what holds quotes or further expansions is not followed.
  void expansion() {
    const auto end = script_.find('}', at_);
    const std::string_view odd("'\"`$\\\n\x01\x02", 8);
    if (end == std::string::npos ||
        std::string_view(script_).substr(at_ + 2, end - at_ - 2).find_first_of(odd) != std::string_view::npos)
      return lose();
    at_ = end;
  }

  void arithmetic() {
    const auto end = script_.find("))", at_);
    const std::string_view odd("'\"`(\\\n\x01\x02", 8);
    if (end == std::string::npos ||
        std::string_view(script_).substr(at_ + 3, end - at_ - 3).find_first_of(odd) != std::string_view::npos)
      return lose();
    at_ = end + 1;
    if (peek() == '#') lose();
  }

  std::string script_;
  std::size_t at_ = 0;
  bool lost_;
  std::vector<Frame> frames_;
  std::vector<Place> places_;
};

}  // namespace

std::vector<Place> places_in(const std::vector<Piece>& script, const std::vector<bool>& is_code) {
  std::string marked;
  for (std::size_t i = 0; i < script.size(); ++i) {
    if (!script[i].name.empty()) marked += is_code[i] ? kCode : kReference;
    else marked += script[i].text;
  }
  return Lexer(std::move(marked)).run();
}

}  // namespace belay::document
