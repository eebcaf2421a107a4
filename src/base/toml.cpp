// The one place that knows toml++.
#include "base/toml.hpp"

#include <cmath>

#define TOML_EXCEPTIONS 0
// Numbers by std::from_chars: by a stream, as is the default here, they would bring every locale into the agent.
#define TOML_FLOAT_CHARCONV 1
#include <toml++/toml.h>

#include "base/text.hpp"

namespace belay::toml {
namespace {

constexpr std::size_t kWordsShownMax = 300;

class Translator {
 public:
  explicit Translator(const MarkedLimits& limits) : limits_(limits) {}

  Result<json::Value> value(const ::toml::node& node, const std::string& path, std::size_t depth) {
    const auto& begin = node.source().begin;
    out_.marks.emplace(path, Mark{begin.line, begin.column});
    if (++nodes_ > limits_.nodes_max || depth > limits_.depth_max)
      return Error(Code::resource_exhausted,
                   "TOML, line " + std::to_string(begin.line) + ": more values than are taken here");
    if (const auto* table = node.as_table()) return object(*table, path, depth);
    if (const auto* array = node.as_array()) return list(*array, path, depth);
    if (const auto* text = node.as_string()) return json::Value(text->get());
    if (const auto* flag = node.as_boolean()) return json::Value(flag->get());
    if (const auto* whole = node.as_integer()) return json::Value(std::int64_t{whole->get()});
    if (const auto* real = node.as_floating_point(); real && std::isfinite(real->get()))
      return json::Value(real->get());
    return Error(Code::invalid_argument, "TOML, line " + std::to_string(begin.line) + ": " + sanitize(path, 100) +
                                             " is a date, a time or no number; put it between quotes");
  }
  MarkedValue take(json::Value whole) {
    out_.value = std::move(whole);
    return std::move(out_);
  }

 private:
  Result<json::Value> object(const ::toml::table& table, const std::string& path, std::size_t depth) {
    json::Object made;
    for (const auto& [key, member] : table) {
      BELAY_TRY_ASSIGN(auto inner, value(member, member_path(path, key.str()), depth + 1));
      made.emplace(key.str(), std::move(inner));
    }
    return json::Value(std::move(made));
  }
  Result<json::Value> list(const ::toml::array& array, const std::string& path, std::size_t depth) {
    json::Array made;
    for (const auto& item : array) {
      BELAY_TRY_ASSIGN(auto inner, value(item, item_path(path, made.size()), depth + 1));
      made.push_back(std::move(inner));
    }
    return json::Value(std::move(made));
  }

  const MarkedLimits& limits_;
  std::size_t nodes_ = 0;
  MarkedValue out_;
};

}  // namespace

Result<MarkedValue> parse(std::string_view text, MarkedLimits limits) {
  if (text.size() > limits.bytes_max)
    return Error(Code::resource_exhausted, "TOML: " + std::to_string(text.size()) + " bytes, at most " +
                                               std::to_string(limits.bytes_max) + " are taken");
  const auto parsed = ::toml::parse(text);
  if (!parsed) {
    const auto& error = parsed.error();
    return Error(Code::invalid_argument, "TOML, line " + std::to_string(error.source().begin.line) + ": " +
                                             sanitize(error.description(), kWordsShownMax));
  }
  Translator translator(limits);
  BELAY_TRY_ASSIGN(auto whole, translator.value(parsed.table(), "", 0));
  return translator.take(std::move(whole));
}

}  // namespace belay::toml
