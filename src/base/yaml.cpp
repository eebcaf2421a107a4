// The one place that knows yaml-cpp. Its events build our own value, so that budgets hold while it reads.
#include "base/yaml.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <charconv>
#include <cmath>
#include <sstream>
#include <unordered_map>

#include "base/text.hpp"

namespace belay::yaml {
namespace {

std::string place(const YAML::Mark& mark) {
  return "line " + std::to_string(mark.line + 1) + " column " + std::to_string(mark.column + 1);
}

// Leaves yaml-cpp's parser from within an event; caught in parse().
struct Refusal {
  Error error;
};
[[noreturn]] void refuse(const YAML::Mark& mark, const std::string& what, Code code = Code::invalid_argument) {
  throw Refusal{Error(code, "YAML, " + place(mark) + ": " + what)};
}

template <typename T>
bool whole_number(std::string_view text, T& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool looks_decimal(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text.empty() || text.front() < '0' || text.front() > '9') return false;
  return !(text.size() > 1 && text.front() == '0' && text[1] >= '0' && text[1] <= '9');
}

json::Value resolve_plain(const std::string& text) {
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (!looks_decimal(text)) return json::Value(text);
  std::int64_t whole = 0;
  std::uint64_t large = 0;
  double real = 0;
  if (whole_number(text, whole)) return whole;
  if (whole_number(text, large)) return large;
  const bool fraction = text.find_first_of(".eE") != std::string::npos;
  if (fraction && text.back() != '.' && whole_number(text, real) && std::isfinite(real)) return real;
  return json::Value(text);
}

struct Size {
  std::size_t nodes = 0, bytes = 0;
};
Size size_of(const json::Value& value) {
  Size size{1, 0};
  const auto add = [&](const Size& more) { size.nodes += more.nodes, size.bytes += more.bytes; };
  if (const auto* text = value.if_string()) size.bytes = text->size();
  if (const auto* array = value.if_array())
    for (const auto& item : *array) add(size_of(item));
  if (const auto* object = value.if_object())
    for (const auto& member : *object) add(size_of(member.value())), size.bytes += member.key().size();
  return size;
}

class Builder : public YAML::EventHandler {
 public:
  explicit Builder(const MarkedLimits& limits) : limits_(limits), bytes_left_(4 * limits.bytes_max) {}

  MarkedValue take() { return std::move(out_); }
  bool has_value() const { return has_value_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { scalar(mark, anchor, nullptr, ""); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    const bool plain = tag == "?" || tag.empty();
    if (!plain && tag != "!" && tag != "tag:yaml.org,2002:str")
      refuse(mark, "the tag " + sanitize(tag, 60) + " is not taken; leave it out");
    scalar(mark, anchor, plain ? resolve_plain(text) : json::Value(text), text, plain);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto at = anchored_.find(anchor);
    if (at == anchored_.end()) refuse(mark, "an alias inside what it names");
    if (expects_key()) refuse(mark, "an alias cannot be a key");
    const Size size = size_of(at->second);
    spend(mark, size.nodes, size.bytes);
    begin(mark);
    end(at->second, YAML::NullAnchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, json::Array());
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, json::Object());
  }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    json::Value value;
    std::string path, key;
    bool has_key = false;
    YAML::anchor_t anchor = YAML::NullAnchor;
  };

  bool expects_key() const { return !frames_.empty() && frames_.back().value.is_object() && !frames_.back().has_key; }

  void spend(const YAML::Mark& mark, std::size_t nodes, std::size_t bytes) {
    if (nodes > limits_.nodes_max - nodes_ || bytes > bytes_left_)
      refuse(mark, "more than is taken (" + std::to_string(limits_.nodes_max) + " values, aliases repeated)",
             Code::resource_exhausted);
    nodes_ += nodes;
    bytes_left_ -= bytes;
  }

  std::string path_of_next() const {
    if (frames_.empty()) return "";
    const Frame& top = frames_.back();
    return top.value.is_array() ? item_path(top.path, top.value.get_array().size()) : member_path(top.path, top.key);
  }
  void begin(const YAML::Mark& mark) {
    out_.marks.emplace(path_of_next(),
                       Mark{static_cast<std::uint32_t>(mark.line + 1), static_cast<std::uint32_t>(mark.column + 1)});
  }

  void end(json::Value value, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) {
      // Anchors in anchors keep copies of copies: they are counted as values too.
      const Size size = size_of(value);
      spend({}, size.nodes, size.bytes);
      anchored_[anchor] = value;
    }
    if (frames_.empty()) {
      out_.value = std::move(value);
      has_value_ = true;
      return;
    }
    Frame& top = frames_.back();
    if (top.value.is_array()) top.value.get_array().push_back(std::move(value));
    else top.value.get_object().emplace(top.key, std::move(value));
    top.has_key = false;
  }

  void take_key(const YAML::Mark& mark, const std::string& text, bool plain) {
    Frame& top = frames_.back();
    if (plain && text == "<<") refuse(mark, "merge keys (<<) are not taken; write the members out");
    if (top.value.get_object().contains(text))
      refuse(mark, member_path(top.path, sanitize(text, 60)) + " stands twice; keep one of them");
    top.key = text;
    top.has_key = true;
  }

  void scalar(const YAML::Mark& mark, YAML::anchor_t anchor, json::Value value, const std::string& text,
              bool plain = true) {
    spend(mark, 1, text.size());
    if (expects_key()) {
      if (value.is_null()) refuse(mark, "a member without a name");
      return take_key(mark, text, plain);
    }
    begin(mark);
    end(std::move(value), anchor);
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, json::Value empty) {
    if (!tag.empty() && tag != "?" && tag != "!" && tag != "tag:yaml.org,2002:map" && tag != "tag:yaml.org,2002:seq")
      refuse(mark, "the tag " + sanitize(tag, 60) + " is not taken; leave it out");
    if (expects_key()) refuse(mark, "a key must be text");
    if (frames_.size() >= limits_.depth_max)
      refuse(mark, "nested deeper than " + std::to_string(limits_.depth_max) + " levels", Code::resource_exhausted);
    spend(mark, 1, 0);
    begin(mark);
    frames_.push_back({std::move(empty), path_of_next(), "", false, anchor});
  }

  void close() {
    Frame done = std::move(frames_.back());
    frames_.pop_back();
    end(std::move(done.value), done.anchor);
  }

  MarkedLimits limits_;
  std::size_t nodes_ = 0, bytes_left_;
  MarkedValue out_;
  bool has_value_ = false;
  std::vector<Frame> frames_;
  std::unordered_map<YAML::anchor_t, json::Value> anchored_;
};

}  // namespace

Result<MarkedValue> parse(std::string_view text, MarkedLimits limits) {
  if (text.size() > limits.bytes_max)
    return Error(Code::resource_exhausted, "YAML of " + std::to_string(text.size()) + " bytes is over the limit of " +
                                               std::to_string(limits.bytes_max));
  if (!is_valid_utf8(text) || text.find('\0') != std::string_view::npos)
    return Error(Code::invalid_argument, "YAML must be UTF-8 text");
  Builder builder(limits);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    parser.HandleNextDocument(builder);
    if (!builder.has_value()) return Error(Code::invalid_argument, "YAML without a value");
    Builder second(limits);
    if (parser.HandleNextDocument(second) && second.has_value())
      return Error(Code::invalid_argument, "YAML with a second document; one is taken");
  } catch (const Refusal& refusal) {
    return refusal.error;
  } catch (const YAML::Exception& failure) {
    return Error(Code::invalid_argument, "YAML, " + place(failure.mark) + ": " + sanitize(failure.msg, 200));
  } catch (const std::exception& failure) {
    return Error(Code::invalid_argument, "YAML cannot be read: " + sanitize(failure.what(), 200));
  }
  return builder.take();
}

}  // namespace belay::yaml
