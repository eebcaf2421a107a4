#include "base/marked_json.hpp"

#include <set>

namespace belay {
namespace {

std::string place(Mark mark) { return "line " + std::to_string(mark.line) + " column " + std::to_string(mark.column); }

// Walks text that is known to be JSON and notes where each value begins.
class Walker {
 public:
  Walker(std::string_view text, std::size_t nodes_max, MarkedValue& out)
      : text_(text), nodes_left_(nodes_max), out_(out) {}

  Status walk(const std::string& path) {
    skip_space();
    if (nodes_left_ == 0) return Error(Code::resource_exhausted, "more values than are taken, at " + place(mark_));
    --nodes_left_;
    out_.marks.emplace(path, mark_);
    if (now() == '{') return walk_object(path);
    if (now() == '[') return walk_array(path);
    if (now() == '"') skip_string();
    else skip_word();
    return {};
  }

 private:
  char now() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void advance() {
    mark_.column = now() == '\n' ? 1 : mark_.column + 1;
    mark_.line += now() == '\n' ? 1 : 0;
    ++at_;
  }

  void skip_space() {
    while (now() == ' ' || now() == '\t' || now() == '\r' || now() == '\n') advance();
  }
  void skip_word() {
    while (at_ < text_.size() && std::string_view(",]}: \t\r\n").find(now()) == std::string_view::npos) advance();
  }
  // The string with its quotes.
  std::string_view skip_string() {
    const std::size_t begin = at_;
    advance();
    while (at_ < text_.size() && now() != '"') {
      if (now() == '\\') advance();
      advance();
    }
    advance();
    return text_.substr(begin, at_ - begin);
  }

  Status walk_object(const std::string& path) {
    std::set<std::string> seen;
    advance();
    for (skip_space(); now() == '"'; skip_space()) {
      const Mark key_mark = mark_;
      BELAY_TRY_ASSIGN(const auto key, json::decode_text<std::string>(skip_string()));
      if (!seen.insert(key).second)
        return Error(Code::invalid_argument,
                     member_path(path, key) + " stands twice, again at " + place(key_mark) + "; keep one of them");
      skip_space();
      advance();  // the colon
      BELAY_TRY(walk(member_path(path, key)));
      skip_space();
      if (now() == ',') advance();
    }
    advance();
    return {};
  }

  Status walk_array(const std::string& path) {
    advance();
    skip_space();
    for (std::size_t index = 0; at_ < text_.size() && now() != ']'; ++index) {
      BELAY_TRY(walk(item_path(path, index)));
      skip_space();
      if (now() == ',') advance();
      skip_space();
    }
    advance();
    return {};
  }

  std::string_view text_;
  std::size_t nodes_left_;
  MarkedValue& out_;
  std::size_t at_ = 0;
  Mark mark_{1, 1};
};

// Each member has one colon that stands in no string.
std::size_t members_said(std::string_view text) {
  std::size_t colons = 0;
  bool in_string = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '"') in_string = !in_string;
    else if (in_string && text[at] == '\\') ++at;
    else if (!in_string && text[at] == ':') ++colons;
  }
  return colons;
}

std::size_t members_kept(const json::Value& value) {
  std::size_t members = 0;
  if (const auto* array = value.if_array())
    for (const auto& item : *array) members += members_kept(item);
  if (const auto* object = value.if_object())
    for (const auto& member : *object) members += 1 + members_kept(member.value());
  return members;
}

Mark mark_at(std::string_view text, std::size_t offset) {
  Mark mark{1, 1};
  for (const char c : text.substr(0, offset)) {
    mark.column = c == '\n' ? 1 : mark.column + 1;
    mark.line += c == '\n' ? 1 : 0;
  }
  return mark;
}

}  // namespace

std::string member_path(std::string_view parent, std::string_view member) {
  return parent.empty() ? std::string(member) : std::string(parent) + "." + std::string(member);
}
std::string item_path(std::string_view parent, std::size_t index) {
  return std::string(parent) + "[" + std::to_string(index) + "]";
}

Mark MarkedValue::mark_of(std::string_view path) const {
  for (;;) {
    if (const auto at = marks.find(path); at != marks.end()) return at->second;
    if (path.empty()) return {};
    const auto cut = path.find_last_of(".[");
    path = path.substr(0, cut == std::string_view::npos ? 0 : cut);
  }
}

Result<MarkedValue> parse_marked_json(std::string_view text, MarkedLimits limits) {
  if (text.size() > limits.bytes_max)
    return Error(Code::resource_exhausted, "JSON of " + std::to_string(text.size()) + " bytes is over the limit of " +
                                               std::to_string(limits.bytes_max));
  boost::json::parse_options options;
  options.max_depth = limits.depth_max;
  boost::json::stream_parser parser({}, options);
  boost::system::error_code failure;
  const std::size_t taken = parser.write_some(text.data(), text.size(), failure);
  if (!failure && taken == text.size()) parser.finish(failure);
  if (failure || taken < text.size())
    return Error(Code::invalid_argument, "not JSON at " + place(mark_at(text, taken)) + ": " +
                                             (failure ? failure.message() : "text after the value"));
  MarkedValue out;
  out.value = parser.release();
  BELAY_TRY(Walker(text, limits.nodes_max, out).walk(""));
  return out;
}

Result<json::Value> parse_strict_json(std::string_view text, json::Limits limits) {
  BELAY_TRY_ASSIGN(auto value, json::parse(text, limits));
  if (members_said(text) == members_kept(value)) return value;
  const auto marked = parse_marked_json(text, {limits.bytes_max, text.size(), limits.depth_max});
  if (!marked.ok()) return marked.error();
  return Error(Code::invalid_argument, "a member stands twice; keep one of them");
}

}  // namespace belay
