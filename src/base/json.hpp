#pragma once
// JSON is Boost.JSON (docs/adr/0002): its value is the vocabulary type of every room that meets JSON, under the
// names below. Structs described with BOOST_DESCRIBE_STRUCT are encoded and decoded without further code; the
// names of their members are the names on the wire.
#include <boost/describe.hpp>
#include <boost/json.hpp>
#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
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

inline Error mismatch(const std::string& path, std::string_view expected) {
  return Error(Code::invalid_argument,
               (path.empty() ? std::string("value") : path) + ": expected " + std::string(expected));
}

template <typename T>
Result<T> decode_integer(const Value& value, const std::string& path) {
  if (value.is_int64() && std::in_range<T>(value.get_int64())) return static_cast<T>(value.get_int64());
  if (value.is_uint64() && std::in_range<T>(value.get_uint64())) return static_cast<T>(value.get_uint64());
  return mismatch(path, "a whole number between " + std::to_string(std::numeric_limits<T>::min()) + " and " +
                            std::to_string(std::numeric_limits<T>::max()));
}

template <typename E>
Result<E> decode_enum(const Value& value, const std::string& path) {
  E found{};
  if (value.is_string() && boost::describe::enum_from_string(std::string(value.get_string()).c_str(), found))
    return found;
  std::string names;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<E>>(
      [&](auto d) { names += (names.empty() ? "" : ", ") + std::string(d.name); });
  return mismatch(path, "one of " + names);
}

}  // namespace detail

template <typename T>
Value encode(const T& value) {
  if constexpr (std::is_same_v<T, Value>) return value;
  else if constexpr (std::is_same_v<T, Object> || std::is_same_v<T, Array>) return Value(value);
  else if constexpr (std::is_same_v<T, bool>) return Value(value);
  else if constexpr (std::is_same_v<T, Instant>) return Value(to_iso8601(value));
  else if constexpr (std::is_same_v<T, Duration>) return Value(static_cast<std::int64_t>(value.count()));
  else if constexpr (detail::DescribedEnum<T>) return Value(boost::describe::enum_to_string(value, ""));
  else if constexpr (std::is_integral_v<T> && std::is_unsigned_v<T>) return Value(static_cast<std::uint64_t>(value));
  else if constexpr (std::is_integral_v<T>) return Value(static_cast<std::int64_t>(value));
  else if constexpr (std::is_floating_point_v<T>) return Value(static_cast<double>(value));
  else if constexpr (std::is_convertible_v<T, std::string_view>) return Value(std::string_view(value));
  else if constexpr (detail::is_optional<T>::value) return value ? encode(*value) : Value(nullptr);
  else if constexpr (detail::is_vector<T>::value) {
    Array array;
    array.reserve(value.size());
    for (const auto& item : value) array.push_back(encode(item));
    return array;
  } else if constexpr (detail::is_text_map<T>::value) {
    Object object;
    for (const auto& [key, item] : value) object.emplace(key, encode(item));
    return object;
  } else if constexpr (detail::is_variant<T>::value) {
    return std::visit(
        [](const auto& alternative) -> Value {
          Object object;
          object.emplace(std::remove_cvref_t<decltype(alternative)>::kKind, encode(alternative));
          return object;
        },
        value);
  } else {
    static_assert(detail::Described<T>, "describe the struct with BOOST_DESCRIBE_STRUCT");
    Object object;
    boost::mp11::mp_for_each<detail::Members<T>>([&](auto d) {
      const auto& member = value.*d.pointer;
      if constexpr (detail::is_optional<std::remove_cvref_t<decltype(member)>>::value) {
        if (!member) return;  // absent, not null
      }
      object.emplace(d.name, encode(member));
    });
    return object;
  }
}

template <typename T>
Result<T> decode(const Value& value, const std::string& path = {});

namespace detail {
template <typename... T>
Result<std::variant<T...>> decode_variant(const Value& value, const std::string& path, const std::variant<T...>*) {
  const auto* object = value.if_object();
  if (!object || object->size() != 1) return mismatch(path, "an object of one member");
  const auto& member = *object->begin();
  Result<std::variant<T...>> result = mismatch(path, "a kind that is known, not " + std::string(member.key()));
  const auto attempt = [&]<typename Alternative>(const Alternative*) {
    if (member.key() != Alternative::kKind) return;
    auto decoded = decode<Alternative>(member.value(), path.empty() ? std::string(member.key()) : path);
    if (decoded.ok()) result = std::variant<T...>(std::move(*decoded));
    else result = decoded.error();
  };
  (attempt(static_cast<const T*>(nullptr)), ...);
  return result;
}
}  // namespace detail

// A variant is an object of one member, named by its alternative's `kKind`.
// An absent or null member keeps the struct's default; a member that the struct does not have is passed over
// (a newer peer may say more). A member of the wrong type is an error that names its path.
template <typename T>
Result<T> decode(const Value& value, const std::string& path) {
  if constexpr (std::is_same_v<T, Value>) return value;
  else if constexpr (std::is_same_v<T, Object>) {
    if (!value.is_object()) return detail::mismatch(path, "an object");
    return value.get_object();
  } else if constexpr (std::is_same_v<T, Array>) {
    if (!value.is_array()) return detail::mismatch(path, "a list");
    return value.get_array();
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!value.is_bool()) return detail::mismatch(path, "true or false");
    return value.get_bool();
  } else if constexpr (std::is_same_v<T, Instant>) {
    if (!value.is_string()) return detail::mismatch(path, "a time");
    return parse_iso8601(std::string_view(value.get_string())).within(path);
  } else if constexpr (std::is_same_v<T, Duration>) {
    BELAY_TRY_ASSIGN(const auto ms, detail::decode_integer<std::int64_t>(value, path));
    return Duration(ms);
  } else if constexpr (detail::DescribedEnum<T>) return detail::decode_enum<T>(value, path);
  else if constexpr (std::is_integral_v<T>) return detail::decode_integer<T>(value, path);
  else if constexpr (std::is_floating_point_v<T>) {
    if (!value.is_number()) return detail::mismatch(path, "a number");
    return value.to_number<T>();
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!value.is_string()) return detail::mismatch(path, "text");
    return std::string(value.get_string());
  } else if constexpr (detail::is_optional<T>::value) {
    if (value.is_null()) return T();
    BELAY_TRY_ASSIGN(auto inner, decode<typename T::value_type>(value, path));
    return T(std::move(inner));
  } else if constexpr (detail::is_vector<T>::value) {
    if (!value.is_array()) return detail::mismatch(path, "a list");
    T items;
    items.reserve(value.get_array().size());
    for (const auto& item : value.get_array()) {
      BELAY_TRY_ASSIGN(auto decoded,
                       decode<typename T::value_type>(item, path + "[" + std::to_string(items.size()) + "]"));
      items.push_back(std::move(decoded));
    }
    return items;
  } else if constexpr (detail::is_text_map<T>::value) {
    if (!value.is_object()) return detail::mismatch(path, "an object");
    T items;
    for (const auto& member : value.get_object()) {
      BELAY_TRY_ASSIGN(auto decoded,
                       decode<typename T::mapped_type>(member.value(), path + "." + std::string(member.key())));
      items.emplace(std::string(member.key()), std::move(decoded));
    }
    return items;
  } else if constexpr (detail::is_variant<T>::value) {
    return detail::decode_variant(value, path, static_cast<const T*>(nullptr));
  } else {
    static_assert(detail::Described<T>, "describe the struct with BOOST_DESCRIBE_STRUCT");
    if (!value.is_object()) return detail::mismatch(path, "an object");
    T object{};
    std::optional<Error> failure;
    boost::mp11::mp_for_each<detail::Members<T>>([&](auto d) {
      const Value* member = find(value, d.name);
      if (failure || !member) return;
      using Member = std::remove_cvref_t<decltype(object.*d.pointer)>;
      auto decoded = decode<Member>(*member, path.empty() ? d.name : path + "." + d.name);
      if (decoded.ok()) object.*d.pointer = std::move(*decoded);
      else failure = decoded.error();
    });
    if (failure) return *failure;
    return object;
  }
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
