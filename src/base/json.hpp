#pragma once
// JSON is Boost.JSON (docs/adr/0002): its value is the vocabulary type of every room that meets JSON, under the
// names below. Structs described with BOOST_DESCRIBE_STRUCT are encoded and decoded without further code; the
// names of their members are the names on the wire.
#include <array>
#include <boost/describe.hpp>
#include <boost/json.hpp>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace belay::json {

using Value = boost::json::value;
using Object = boost::json::object;
using Array = boost::json::array;

struct Limits {
  std::size_t bytes_max = 1 << 20;
  std::size_t depth_max = 32;
};

// Whole text or an error with the place; text beyond the limits or with invalid UTF-8 is refused.
Result<Value> parse(std::string_view text, Limits limits = {});
std::string to_text(const Value& value);
// Members sorted, no white space: the same value always gives the same bytes. For what is hashed or signed.
std::string to_canonical_text(const Value& value);
// Indented, for people.
std::string to_pretty_text(const Value& value);

// nullptr where the object has no such member or it is null.
const Value* find(const Value& object, std::string_view member);
// The member as text, or "" where it is absent or no string.
std::string text_or_empty(const Value& object, std::string_view member);

namespace detail {

template <typename T>
concept Described = boost::describe::has_describe_members<T>::value && !std::is_union_v<T>;
template <typename T>
concept DescribedEnum = boost::describe::has_describe_enumerators<T>::value;

template <typename T>
struct is_vector : std::false_type {};
template <typename T>
struct is_vector<std::vector<T>> : std::true_type {};
template <typename T>
struct is_optional : std::false_type {};
template <typename T>
struct is_optional<std::optional<T>> : std::true_type {};
template <typename T>
struct is_text_map : std::false_type {};
template <typename T>
struct is_text_map<std::map<std::string, T>> : std::true_type {};

template <typename T>
struct is_variant : std::false_type {};
template <typename... T>
struct is_variant<std::variant<T...>> : std::true_type {};

template <typename T>
using Members = boost::describe::describe_members<T, boost::describe::mod_public | boost::describe::mod_inherited>;

// Encoding and decoding is done by the functions below, which do not know the types, so that what is compiled for each
// struct is little more than the list of its members. They are given places in memory and how to write or read them.
using Write = void (*)(const void* from, Value& to);
using Failure = std::optional<Error>;
struct Place;
// False where `from` is not as it must be; `failure` says how then. `into` is as its constructor left it.
using Read = bool (*)(const Value& from, const Place& place, void* into, Failure& failure);

// Where a value stands in the whole. Becomes text only in an error: "changes[3].name".
struct Place {
  static constexpr std::size_t kNoIndex = std::numeric_limits<std::size_t>::max();
  const Place* outer = nullptr;
  std::string_view name = {};  // of a member; in the outermost what the caller calls the whole
  std::size_t index = kNoIndex;

  std::string text() const;
};

bool mismatch(const Place& place, std::string_view expected, Failure& failure);

struct Enumerator {
  const char* name;
  std::int64_t number;
};
template <typename E>
inline constexpr auto kEnumerators = []<template <typename...> typename L, typename... D>(L<D...>) {
  return std::array<Enumerator, sizeof...(D)>{{{D::name, static_cast<std::int64_t>(D::value)}...}};
}(boost::describe::describe_enumerators<E>());

void write_enum(std::int64_t number, std::span<const Enumerator> known, Value& to);
void write_text(std::string_view text, Value& to);
void write_list(const void* items, std::size_t count, std::size_t bytes_each, Write write, Value& to);
void write_member(Object& to, std::string_view name, const void* from, Write write);

bool read_enum(const Value& from, const Place& place, std::span<const Enumerator> known, std::int64_t& number,
               Failure& failure);
// `bits` are those of the number as int64 or uint64.
bool read_integer(const Value& from, const Place& place, std::int64_t min, std::uint64_t max, std::uint64_t& bits,
                  Failure& failure);
bool read_instant(const Value& from, const Place& place, Instant& into, Failure& failure);
bool read_text(const Value& from, const Place& place, std::string& into, Failure& failure);
// `resize` makes the list at `into` one of so many fresh items and says where the first of them is.
bool read_list(const Value& from, const Place& place, void* into, void* (*resize)(void* into, std::size_t count),
               std::size_t bytes_each, Read read, Failure& failure);
// `add` makes a fresh item of that name in the map at `into` and says where it is.
bool read_map(const Value& from, const Place& place, void* into, void* (*add)(void* into, std::string name), Read read,
              Failure& failure);
// The one member of an object that has one; nullptr, with the failure, where it is none.
const boost::json::key_value_pair* read_only_member(const Value& from, const Place& place, Failure& failure);

struct Whole {
  const Value& from;
  const Place& place;
  Failure& failure;
};
// A member that is absent or null is left as it is.
bool read_member(const Whole& whole, std::string_view name, void* into, Read read);

template <typename T>
void write_any(const void* from, Value& to);
template <typename T>
bool read_any(const Value& from, const Place& place, void* into, Failure& failure);

template <typename M>
void write_any_member(Object& to, const char* name, const M& member) {
  if constexpr (is_optional<M>::value) {
    if (member) write_member(to, name, &*member, write_any<typename M::value_type>);  // else absent, not null
  } else {
    write_member(to, name, &member, write_any<M>);
  }
}

template <typename T, template <typename...> typename L, typename... D>
void write_members(const T& from, Object& to, L<D...>) {
  to.reserve(sizeof...(D));
  (write_any_member(to, D::name, from.*D::pointer), ...);
}

template <typename M>
bool read_any_member(const Whole& whole, const char* name, M& member) {
  if constexpr (Described<M>) {
    // A struct that is there has its own defaults, not those that the outer one gave it.
    constexpr Read fresh = [](const Value& from, const Place& place, void* into, Failure& failure) {
      *static_cast<M*>(into) = M{};
      return read_any<M>(from, place, into, failure);
    };
    return read_member(whole, name, &member, fresh);
  } else {
    return read_member(whole, name, &member, read_any<M>);
  }
}

template <typename T, template <typename...> typename L, typename... D>
bool read_members([[maybe_unused]] const Whole& whole, [[maybe_unused]] T& into, L<D...>) {
  return (read_any_member(whole, D::name, into.*D::pointer) && ...);
}

template <typename... T>
bool read_variant(const Value& from, const Place& place, std::variant<T...>& into, Failure& failure) {
  const auto* member = read_only_member(from, place, failure);
  if (!member) return false;
  const Place named{nullptr, member->key()};
  const bool is_whole = !place.outer && place.name.empty();
  bool known = false, good = false;
  const auto attempt = [&]<typename Alternative>(const Alternative*) {
    if (known || member->key() != Alternative::kKind) return;
    known = true;
    good = read_any<Alternative>(member->value(), is_whole ? named : place, &into.template emplace<Alternative>(),
                                 failure);
  };
  (attempt(static_cast<const T*>(nullptr)), ...);
  return known ? good : mismatch(place, "a kind that is known, not " + std::string(member->key()), failure);
}

template <typename T>
void write_any(const void* from, Value& to) {
  const auto& value = *static_cast<const T*>(from);
  if constexpr (std::is_same_v<T, Value> || std::is_same_v<T, Object> || std::is_same_v<T, Array>) to = value;
  else if constexpr (std::is_same_v<T, bool>) to = value;
  else if constexpr (std::is_same_v<T, Instant>) write_text(to_iso8601(value), to);
  else if constexpr (std::is_same_v<T, Duration>) to = static_cast<std::int64_t>(value.count());
  else if constexpr (DescribedEnum<T>) write_enum(static_cast<std::int64_t>(value), kEnumerators<T>, to);
  else if constexpr (std::is_integral_v<T> && std::is_unsigned_v<T>) to = static_cast<std::uint64_t>(value);
  else if constexpr (std::is_integral_v<T>) to = static_cast<std::int64_t>(value);
  else if constexpr (std::is_floating_point_v<T>) to = static_cast<double>(value);
  else if constexpr (std::is_convertible_v<T, std::string_view>) write_text(value, to);
  else if constexpr (is_optional<T>::value) {
    if (value) write_any<typename T::value_type>(&*value, to);
    else to = nullptr;
  } else if constexpr (is_vector<T>::value) {
    using Item = typename T::value_type;
    write_list(value.data(), value.size(), sizeof(Item), write_any<Item>, to);
  } else if constexpr (is_text_map<T>::value) {
    auto& object = to.emplace_object();
    for (const auto& [name, item] : value) write_member(object, name, &item, write_any<typename T::mapped_type>);
  } else if constexpr (is_variant<T>::value) {
    std::visit(
        [&to]<typename Alternative>(const Alternative& alternative) {
          write_member(to.emplace_object(), Alternative::kKind, &alternative, write_any<Alternative>);
        },
        value);
  } else {
    static_assert(Described<T>, "describe the struct with BOOST_DESCRIBE_STRUCT");
    write_members(value, to.emplace_object(), Members<T>());
  }
}

template <typename T>
bool read_any(const Value& from, const Place& place, void* target, Failure& failure) {
  auto& into = *static_cast<T*>(target);
  if constexpr (std::is_same_v<T, Value>) return into = from, true;
  else if constexpr (std::is_same_v<T, Object>) {
    if (!from.is_object()) return mismatch(place, "an object", failure);
    return into = from.get_object(), true;
  } else if constexpr (std::is_same_v<T, Array>) {
    if (!from.is_array()) return mismatch(place, "a list", failure);
    return into = from.get_array(), true;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!from.is_bool()) return mismatch(place, "true or false", failure);
    return into = from.get_bool(), true;
  } else if constexpr (std::is_same_v<T, Instant>) return read_instant(from, place, into, failure);
  else if constexpr (std::is_same_v<T, Duration>) {
    std::int64_t ms = 0;
    if (!read_any<std::int64_t>(from, place, &ms, failure)) return false;
    return into = Duration(ms), true;
  } else if constexpr (DescribedEnum<T>) {
    std::int64_t number = 0;
    if (!read_enum(from, place, kEnumerators<T>, number, failure)) return false;
    return into = static_cast<T>(number), true;
  } else if constexpr (std::is_integral_v<T>) {
    using Range = std::numeric_limits<T>;
    std::uint64_t bits = 0;
    if (!read_integer(from, place, Range::min(), Range::max(), bits, failure)) return false;
    return into = static_cast<T>(bits), true;
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!from.is_number()) return mismatch(place, "a number", failure);
    return into = from.to_number<T>(), true;
  } else if constexpr (std::is_same_v<T, std::string>) return read_text(from, place, into, failure);
  else if constexpr (is_optional<T>::value) {
    if (from.is_null()) return into.reset(), true;
    return read_any<typename T::value_type>(from, place, &into.emplace(), failure);
  } else if constexpr (is_vector<T>::value) {
    using Item = typename T::value_type;
    constexpr auto resize = [](void* list, std::size_t count) -> void* {
      auto& items = *static_cast<T*>(list);
      items = T(count);
      return items.data();
    };
    return read_list(from, place, &into, resize, sizeof(Item), read_any<Item>, failure);
  } else if constexpr (is_text_map<T>::value) {
    constexpr auto add = [](void* map, std::string name) -> void* {
      return &static_cast<T*>(map)->try_emplace(std::move(name)).first->second;
    };
    into.clear();
    return read_map(from, place, &into, add, read_any<typename T::mapped_type>, failure);
  } else if constexpr (is_variant<T>::value) {
    return read_variant(from, place, into, failure);
  } else {
    static_assert(Described<T>, "describe the struct with BOOST_DESCRIBE_STRUCT");
    if (!from.is_object()) return mismatch(place, "an object", failure);
    return read_members(Whole{from, place, failure}, into, Members<T>());
  }
}

}  // namespace detail

template <typename T>
Value encode(const T& value) {
  Value made;
  detail::write_any<T>(&value, made);
  return made;
}

// A variant is an object of one member, named by its alternative's `kKind`.
// An absent or null member keeps the struct's default; a member that the struct does not have is passed over
// (a newer peer may say more). A member of the wrong type is an error that names its path.
template <typename T>
Result<T> decode(const Value& value, const std::string& path = {}) {
  T made{};
  detail::Failure failure;
  if (!detail::read_any<T>(value, {nullptr, path}, &made, failure)) return std::move(*failure);
  return made;
}

// Text straight to a struct and back.
template <typename T>
Result<T> decode_text(std::string_view text, Limits limits = {}) {
  BELAY_TRY_ASSIGN(const Value value, parse(text, limits));
  return decode<T>(value);
}
template <typename T>
std::string encode_text(const T& value) {
  return to_text(encode(value));
}

}  // namespace belay::json
