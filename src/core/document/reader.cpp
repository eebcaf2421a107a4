#include "core/document/reader.hpp"

#include <algorithm>
#include <cmath>

#include "base/text.hpp"

namespace belay::document {
namespace {
constexpr std::size_t kProblemsMax = 10;

std::string_view words_for(const json::Value& value) {
  switch (value.kind()) {
    case boost::json::kind::null: return "nothing";
    case boost::json::kind::bool_: return "true or false";
    case boost::json::kind::int64:
    case boost::json::kind::uint64:
    case boost::json::kind::double_: return "a number (for a text, put it in quotes)";
    case boost::json::kind::string: return "text";
    case boost::json::kind::array: return "a list";
    case boost::json::kind::object: return "a mapping";
  }
  return "something else";
}
}  // namespace

void Reader::refuse(const std::string& path, std::string why) {
  if (++count_ > kProblemsMax) return;
  const auto line = line_of(path);
  const auto field = path.empty() ? std::string("the document") : sanitize(path, 200);
  problems_.push_back(field + (line ? " (line " + std::to_string(line) + ")" : "") + ": " + std::move(why));
}

Error Reader::error(std::string reason) const {
  auto text = join(problems_, "; ");
  if (count_ > problems_.size()) text += "; and " + std::to_string(count_ - problems_.size()) + " more";
  return Error(Code::invalid_argument, text, std::move(reason));
}

const json::Object* Reader::object(const json::Value& value, const std::string& path) {
  const auto* object = value.if_object();
  if (!object) refuse(path, "is " + std::string(words_for(value)) + ", expected a mapping");
  return object;
}

void Reader::only(const json::Object& object, const std::string& path, std::initializer_list<std::string_view> known) {
  for (const auto& member : object) {
    const std::string_view name(member.key());
    if (std::ranges::find(known, name) != known.end()) continue;
    std::string names;
    for (const auto one : known) names += (names.empty() ? "" : ", ") + std::string(one);
    refuse(member_path(path, name), "is not known here; known are " + names);
  }
}

std::string Reader::text(const json::Object& object, const std::string& path, std::string_view field, bool required,
                         std::size_t characters_max) {
  const auto here = member_path(path, field);
  const auto* value = object.if_contains(field);
  if (!value || value->is_null()) {
    if (required) refuse(here, "is missing");
    return {};
  }
  if (!value->is_string()) {
    refuse(here, "is " + std::string(words_for(*value)) + ", expected text");
    return {};
  }
  std::string text(value->get_string());
  if (required && text.empty()) refuse(here, "is empty");
  if (text.size() > characters_max) refuse(here, "is longer than " + std::to_string(characters_max) + " bytes");
  return text;
}

std::string Reader::choice(const json::Object& object, const std::string& path, std::string_view field,
                           std::string_view choices, std::string_view when_absent) {
  const auto value = text(object, path, field);
  if (value.empty()) return std::string(when_absent);
  const auto known = split(choices, ',');
  if (std::ranges::find(known, value) == known.end())
    refuse(member_path(path, field), "is '" + sanitize(value, 60) + "', expected one of " + std::string(choices));
  return value;
}

bool Reader::flag(const json::Object& object, const std::string& path, std::string_view field, bool when_absent) {
  const auto* value = object.if_contains(field);
  if (!value || value->is_null()) return when_absent;
  if (value->is_bool()) return value->get_bool();
  if (value->is_string() && (value->get_string() == "true" || value->get_string() == "false"))
    return value->get_string() == "true";
  refuse(member_path(path, field), "is " + std::string(words_for(*value)) + ", expected true or false");
  return when_absent;
}

std::optional<std::int64_t> Reader::integer(const json::Object& object, const std::string& path, std::string_view field,
                                            std::int64_t min, std::int64_t max) {
  const auto* value = object.if_contains(field);
  if (!value || value->is_null()) return {};
  std::optional<std::int64_t> number;
  if (value->is_int64()) number = value->get_int64();
  if (value->is_string())
    if (const auto read = json::decode_text<std::int64_t>(value->get_string()); read.ok()) number = *read;
  if (number && *number >= min && *number <= max) return number;
  refuse(member_path(path, field),
         "expected a whole number from " + std::to_string(min) + " to " + std::to_string(max));
  return {};
}

std::string schema_version_of(const json::Value& document) {
  const auto* version = json::find(document, "schemaVersion");
  if (!version) return {};
  if (version->is_string()) return std::string(version->get_string());
  if (!version->is_double()) return {};
  const auto tenths = std::llround(version->get_double() * 10);
  if (tenths < 0 || tenths > 99 || std::abs(version->get_double() * 10 - static_cast<double>(tenths)) > 1e-9) return {};
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10);
}

}  // namespace belay::document
