// What json.hpp does with every struct alike, compiled once.
#include "base/json.hpp"

namespace belay::json::detail {

std::string Place::text() const {
  auto words = outer ? outer->text() : std::string();
  if (index != kNoIndex) return words + "[" + std::to_string(index) + "]";
  return words.empty() ? std::string(name) : words.append(".").append(name);
}

bool mismatch(const Place& place, std::string_view expected, Failure& failure) {
  auto words = place.text();
  if (words.empty()) words = "value";
  failure.emplace(Code::invalid_argument, words.append(": expected ").append(expected));
  return false;
}

void write_text(std::string_view text, Value& to) { to = text; }

void write_enum(std::int64_t number, std::span<const Enumerator> known, Value& to) {
  for (const auto& [name, value] : known)
    if (value == number) return write_text(name, to);
  write_text("", to);
}

void write_list(const void* items, std::size_t count, std::size_t bytes_each, Write write, Value& to) {
  auto& array = to.emplace_array();
  array.reserve(count);
  const auto* item = static_cast<const char*>(items);
  for (std::size_t i = 0; i < count; ++i, item += bytes_each) write(item, array.emplace_back(nullptr));
}

void write_member(Object& to, std::string_view name, const void* from, Write write) {
  write(from, to.emplace(name, nullptr).first->value());
}

bool read_enum(const Value& from, const Place& place, std::span<const Enumerator> known, std::int64_t& number,
               Failure& failure) {
  if (const auto* text = from.if_string())
    for (const auto& [name, value] : known)
      if (std::string_view(*text) == name) return number = value, true;
  std::string names = "one of ";
  for (const auto& one : known) names.append(&one == known.data() ? "" : ", ").append(one.name);
  return mismatch(place, names, failure);
}

bool read_integer(const Value& from, const Place& place, std::int64_t min, std::uint64_t max, std::uint64_t& bits,
                  Failure& failure) {
  if (const auto* number = from.if_int64())
    if (*number >= min && (*number < 0 || static_cast<std::uint64_t>(*number) <= max))
      return bits = static_cast<std::uint64_t>(*number), true;
  if (const auto* number = from.if_uint64())
    if (*number <= max) return bits = *number, true;
  return mismatch(place, "a whole number between " + std::to_string(min) + " and " + std::to_string(max), failure);
}

bool read_instant(const Value& from, const Place& place, Instant& into, Failure& failure) {
  const auto* text = from.if_string();
  if (!text) return mismatch(place, "a time", failure);
  const auto read = parse_iso8601(std::string_view(*text));
  if (read.ok()) return into = *read, true;
  failure = read.error().within(place.text());
  return false;
}

bool read_text(const Value& from, const Place& place, std::string& into, Failure& failure) {
  const auto* text = from.if_string();
  if (!text) return mismatch(place, "text", failure);
  into.assign(text->data(), text->size());
  return true;
}

bool read_list(const Value& from, const Place& place, void* into, void* (*resize)(void* into, std::size_t count),
               std::size_t bytes_each, Read read, Failure& failure) {
  const auto* array = from.if_array();
  if (!array) return mismatch(place, "a list", failure);
  auto* item = static_cast<char*>(resize(into, array->size()));
  for (std::size_t i = 0; i < array->size(); ++i, item += bytes_each)
    if (!read((*array)[i], {&place, {}, i}, item, failure)) return false;
  return true;
}

bool read_map(const Value& from, const Place& place, void* into, void* (*add)(void* into, std::string name), Read read,
              Failure& failure) {
  const auto* object = from.if_object();
  if (!object) return mismatch(place, "an object", failure);
  for (const auto& member : *object)
    if (!read(member.value(), {&place, member.key()}, add(into, std::string(member.key())), failure)) return false;
  return true;
}

const boost::json::key_value_pair* read_only_member(const Value& from, const Place& place, Failure& failure) {
  const auto* object = from.if_object();
  if (object && object->size() == 1) return &*object->begin();
  mismatch(place, "an object of one member", failure);
  return nullptr;
}

bool read_member(const Whole& whole, std::string_view name, void* into, Read read) {
  const auto* member = find(whole.from, name);
  return !member || read(*member, {&whole.place, name}, into, whole.failure);
}

}  // namespace belay::json::detail
