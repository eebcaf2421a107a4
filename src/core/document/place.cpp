#include "core/document/place.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace belay::document {

Result<Duration> parse_span(std::string_view text) {
  if (text == "0") return Duration::zero();
  Duration whole{};
  for (std::string_view rest = text; !rest.empty() || text.empty();) {
    const auto digits = rest.find_first_not_of("0123456789");
    const auto end = digits == std::string_view::npos ? digits : rest.find_first_of("0123456789", digits);
    BELAY_TRY_ASSIGN(const auto part, parse_duration(rest.substr(0, end)));
    whole += part;
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end);
  }
  return whole;
}

Result<std::uint64_t> parse_size(std::string_view text) {
  const auto refuse = [&] {
    return Error(Code::invalid_argument, "'" + sanitize(text, 40) + "' is no size; write 512KiB, 20MiB or 1GiB");
  };
  auto rest = text.ends_with("/s") ? text.substr(0, text.size() - 2) : text;
  const auto digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
  if (digits == 0 || digits > 15) return refuse();
  std::uint64_t bytes = 0;
  for (const char c : rest.substr(0, digits)) bytes = bytes * 10 + std::uint64_t(c - '0');
  rest = rest.substr(digits);
  constexpr std::string_view kLetters = "KMGT";
  if (rest.empty() || rest == "B") return bytes;
  const auto power = kLetters.find(rest.front());
  const bool binary = rest.substr(1) == "iB" || rest.size() == 1;
  if (power == std::string_view::npos || (!binary && rest.substr(1) != "B")) return refuse();
  for (std::size_t i = 0; i <= power; ++i) {
    if (bytes > (std::uint64_t{1} << 50)) return refuse();
    bytes *= binary ? 1'024 : 1'000;
  }
  return bytes;
}

Result<Target> parse_target(std::string_view text) {
  const auto refuse = [&](std::string_view what) {
    return Error(Code::invalid_argument, "'" + sanitize(std::string(text), 100) + "' " + std::string(what));
  };
  if (text == "*" || text == "all") return Target{"InstanceIds", {"*"}};
  const auto listed = [](std::string_view values) {
    std::vector<std::string> out;
    for (const auto value : split(values, ',')) out.emplace_back(trim(value));
    return out;
  };
  if (text.starts_with("group:")) {
    if (text.size() == 6) return refuse("names no patch group");
    return Target{"PatchGroup", listed(text.substr(6))};
  }
  if (text.starts_with("tag:")) {
    const auto equals = text.find('=');
    if (equals == std::string_view::npos || equals <= 4 || equals + 1 == text.size())
      return refuse("is no tag target; write tag:Key=Value");
    Target target{std::string(text.substr(0, equals)), listed(text.substr(equals + 1))};
    if (std::ranges::any_of(target.values, &std::string::empty)) return refuse("has an empty value");
    return target;
  }
  if (text.find_first_of("=: \t%") != std::string_view::npos)
    return refuse("is neither tag:Key=Value, group:NAME, a node's id or name, nor *");
  return Target{"InstanceIds", {std::string(text)}};
}

bool is_mail_address(std::string_view text) {
  const auto at = text.find('@');
  if (at == std::string_view::npos || at == 0 || at + 1 == text.size() || text.find('@', at + 1) != text.npos)
    return false;
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("@.-_+%=").find(c) != std::string_view::npos;
  };
  return std::ranges::all_of(text, fits) && text.front() != '-' && text[at + 1] != '-' && text[at + 1] != '.';
}

const json::Value* Place::find(std::string_view field) const {
  const auto* value = object.if_contains(field);
  return value && !value->is_null() ? value : nullptr;
}

std::string Place::text(std::string_view field, bool required, std::size_t bytes_max) const {
  return reader.text(object, path, field, required, bytes_max);
}

bool Place::flag(std::string_view field, bool when_absent) const {
  return reader.flag(object, path, field, when_absent);
}

std::uint32_t Place::number(std::string_view field, std::uint32_t when_absent, std::uint32_t min,
                            std::uint32_t max) const {
  const auto read = reader.integer(object, path, field, min, max);
  return read ? static_cast<std::uint32_t>(*read) : when_absent;
}

Duration Place::span(std::string_view field, Duration when_absent, Duration min, Duration max) const {
  const auto* value = find(field);
  if (!value) return when_absent;
  const bool is_zero = value->is_int64() && value->get_int64() == 0;  // the one number that needs no unit
  if (value->is_int64() && !is_zero) {
    reader.refuse(at(field),
                  "is a number without a unit; write " + std::to_string(value->get_int64()) + "s, m, h or d");
    return when_absent;
  }
  const auto text = is_zero ? std::string("0") : reader.text(object, path, field);
  if (text.empty()) return when_absent;  // what was wrong with it is noted
  const auto read = parse_span(text);
  if (!read.ok()) reader.refuse(at(field), read.error().message());
  else if (*read < min || *read > max)
    reader.refuse(at(field), "is " + text + "; it must be from " + humanize(min) + " to " + humanize(max));
  else return *read;
  return when_absent;
}

std::string Place::choice(std::string_view field, std::string_view choices, std::string_view when_absent) const {
  return reader.choice(object, path, field, choices, when_absent);
}

std::vector<std::string> Place::texts(std::string_view field, std::size_t count_max, std::size_t bytes_max) const {
  const auto* value = find(field);
  if (!value) return {};
  if (value->is_string()) return {text(field, false, bytes_max)};
  const auto* list = value->if_array();
  if (!list) return reader.refuse(at(field), "is neither a list nor a text"), std::vector<std::string>();
  if (list->size() > count_max)
    reader.refuse(at(field), "has " + std::to_string(list->size()) + " entries, at most " + std::to_string(count_max));
  std::vector<std::string> out;
  for (std::size_t i = 0; i < list->size() && i < count_max; ++i) {
    const auto& item = (*list)[i];
    const auto here = item_path(at(field), i);
    if (!item.is_string()) reader.refuse(here, "is no text; put it in quotes");
    else if (item.get_string().empty()) reader.refuse(here, "is empty");
    else if (item.get_string().size() > bytes_max) reader.refuse(here, "is too long");
    else out.emplace_back(item.get_string());
  }
  return out;
}

void Place::each(std::string_view field, bool required, std::size_t count_max,
                 const std::function<void(const Place&)>& take) const {
  const auto* value = find(field);
  if (!value) {
    if (required) reader.refuse(at(field), "is missing");
    return;
  }
  const auto* list = value->if_array();
  if (!list) return reader.refuse(at(field), "is no list");
  if (list->empty() && required) reader.refuse(at(field), "is empty");
  if (list->size() > count_max)
    return reader.refuse(at(field),
                         "has " + std::to_string(list->size()) + " entries, at most " + std::to_string(count_max));
  for (std::size_t i = 0; i < list->size(); ++i) {
    const auto here = item_path(at(field), i);
    if (const auto* item = reader.object((*list)[i], here)) take({reader, *item, here});
  }
}

void Place::with(std::string_view field, const std::function<void(const Place&)>& take) const {
  const auto* value = find(field);
  if (!value) return;
  if (const auto* inner = reader.object(*value, at(field))) take({reader, *inner, at(field)});
}

}  // namespace belay::document
