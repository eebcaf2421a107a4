#include "core/document/shell_places.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"

namespace belay::document {
namespace {

constexpr char kReference = '\x01';
constexpr char kCode = '\x02';

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n'; }
bool ends_word(char c) { return is_space(c) || std::string_view(";&|()<>").find(c) != std::string_view::npos; }

bool is_delimiter_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

// Whether what begins in this line of a here-document may end in another: then its last line is not for us to find.
bool may_run_on(std::string_view line) {
  if (line.find('`') != std::string_view::npos || line.find("$(") != std::string_view::npos) return true;
  if (line.ends_with('\\')) return true;
  for (auto at = line.find("${"); at != std::string_view::npos; at = line.find("${", at + 1)) {
    const auto end =
        line.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_#%:.,/*-", at + 2);
    if (end == std::string_view::npos || line[end] != '}') return true;
  }
  return false;
}

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

  std::vector<ShellPlace> run() {
    while (at_ < script_.size()) step();
    // Quotes that do not add up: what looked like inside may have been outside.
    if (!frames_.empty()) std::ranges::fill(places_, ShellPlace::unknown);
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
  // Within [[ … ]] bash may take what a word holds for arithmetic, and run what is in it, quotes or not.
  void note(ShellPlace place) { places_.push_back(lost_ || in_test_ ? ShellPlace::unknown : place); }
  void lose() { lost_ = true; }

  void step() {
    const char c = script_[at_];
    if (c == kCode) note(ShellPlace::unknown), lose();
    else if (lost_) {
      if (c == kReference) note(ShellPlace::unknown);
      frames_.clear();
    } else if (!frames_.empty() && frames_.back() == Frame::double_quotes) in_double_quotes(c);
    else in_command(c);
    ++at_;
  }

  void in_double_quotes(char c) {
    if (c == kReference) note(ShellPlace::double_quoted);
    else if (c == '"') frames_.pop_back();
    else if (c == '`') backticks();
    else if (c == '\\') skip_escaped();
    else if (c == '$' && peek() != '"' && peek() != '\'') dollar();
  }

  void in_command(char c) {
    if (at_word_start() && c == '#') {
      const char before = at_ > 0 ? script_[at_ - 1] : '\n';
      return before == '<' || before == '>' || in_test_ ? lose() : comment();
    }
    if (at_word_start() && word_is("case") && !frames_.empty()) return lose();
    if (at_word_start() && (word_is("[[") || word_is("]]"))) {
      in_test_ = word_is("[[");
      ++at_;
      return;
    }
    switch (c) {
      case kReference: return note(ShellPlace::plain);
      case '\\': return skip_escaped();
      case '\'': return single_quotes();
      case '"': return frames_.push_back(Frame::double_quotes);
      case '`': return backticks();
      case '$': return dollar();
      case '\n': return here_documents();
      case '<':
        if (peek() == '<') here_document_begins();
        return;
      case '(':
        if (in_test_) return;
        if (peek() == '(') return lose();
        return frames_.push_back(Frame::parentheses);
      case ')':
        if (in_test_) return;
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
      if (script_[at_] == kReference) note(ShellPlace::single_quoted);
      if (script_[at_] == kCode) note(ShellPlace::unknown), lose();
    }
    if (at_ >= script_.size()) std::ranges::fill(places_, ShellPlace::unknown);
  }

  void comment() {
    for (; at_ < script_.size() && script_[at_] != '\n'; ++at_)
      if (script_[at_] == kReference || script_[at_] == kCode) places_.push_back(ShellPlace::unknown);
    --at_;  // the end of the line counts
  }

  // `…` ends at the next backtick that no backslash stands before, whatever quotes are in it.
  void backticks() {
    auto end = at_ + 1;
    for (; end < script_.size() && script_[end] != '`'; ++end)
      if (script_[end] == '\\') ++end;
    if (end >= script_.size()) return lose();
    pass(at_ + 1, end);
    at_ = end;
  }

  // References on the way are where it cannot be told.
  void pass(std::size_t from, std::size_t to) {
    for (auto i = from; i < to; ++i) {
      if (script_[i] == kReference || script_[i] == kCode) places_.push_back(ShellPlace::unknown);
      if (script_[i] == kCode) lose();
    }
  }

  void here_document_begins() {
    if (peek(2) == '<') {  // a here-string: an ordinary word follows
      at_ += 2;
      return;
    }
    auto i = at_ + 2;
    HereDocument here;
    if (i < script_.size() && script_[i] == '-') here.strips_tabs = true, ++i;
    while (i < script_.size() && (script_[i] == ' ' || script_[i] == '\t')) ++i;
    const auto end = std::min(script_.find_first_of(" \t\n;&|()<>", i), script_.size());
    auto word = std::string_view(script_).substr(i, end - i);
    const bool quoted = word.size() > 2 && (word.front() == '\'' || word.front() == '"') && word.back() == word.front();
    here.literal = quoted || word.starts_with('\\');
    if (quoted) word = word.substr(1, word.size() - 2);
    else if (here.literal) word.remove_prefix(1);
    if (word.empty() || !std::ranges::all_of(word, is_delimiter_character) || !frames_.empty()) return lose();
    here.delimiter = word;
    here_.push_back(std::move(here));
    at_ = end - 1;
  }

  // At the end of a line: the here-documents that it announced.
  void here_documents() {
    for (const auto& here : std::exchange(here_, {})) {
      for (;;) {
        const auto begin = at_ + 1;
        if (begin >= script_.size()) return lose();
        const auto end = std::min(script_.find('\n', begin), script_.size());
        pass(begin, end);
        auto line = std::string_view(script_).substr(begin, end - begin);
        if (!here.literal && may_run_on(line)) return lose();
        if (here.strips_tabs) line.remove_prefix(std::min(line.find_first_not_of('\t'), line.size()));
        at_ = end;
        if (line == here.delimiter) break;
        if (lost_) return;
      }
    }
  }

  void dollar() {
    if (peek() == '\'' || peek() == '"' || peek() == kReference || peek() == kCode || peek() == '[') return lose();
    if (peek() == '(') {
      if (in_test_) return lose();
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

  struct HereDocument {
    std::string delimiter;
    bool strips_tabs = false;
    bool literal = false;  // its delimiter is quoted: nothing in it is expanded
  };

  std::string script_;
  std::size_t at_ = 0;
  bool lost_;
  bool in_test_ = false;  // within [[ … ]]
  std::vector<HereDocument> here_;
  std::vector<Frame> frames_;
  std::vector<ShellPlace> places_;
};

}  // namespace

std::vector<ShellPlace> places_in(const std::vector<Piece>& script, const std::vector<bool>& is_code) {
  std::string marked;
  for (std::size_t i = 0; i < script.size(); ++i) {
    if (!script[i].name.empty()) marked += is_code[i] ? kCode : kReference;
    else marked += script[i].text;
  }
  return Lexer(std::move(marked)).run();
}

std::vector<std::string> here_document_words(std::string_view text) {
  std::vector<std::string> words;
  for (auto at = text.find("<<"); at != std::string_view::npos; at = text.find("<<", at + 2)) {
    const auto begin = text.find_first_not_of("<- \t'\"\\", at);
    if (begin == std::string_view::npos) break;
    auto end = begin;
    while (end < text.size() && is_delimiter_character(text[end])) ++end;
    words.emplace_back(text.substr(begin, end - begin));
  }
  return words;
}

}  // namespace belay::document
