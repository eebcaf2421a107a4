#include "core/document/place.hpp"

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
  if (!find(field)) return when_absent;
  const auto text = reader.text(object, path, field);
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
