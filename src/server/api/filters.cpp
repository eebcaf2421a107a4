#include "server/api/filters.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "server/api/errors.hpp"

namespace belay::server {
namespace {

struct WireFilter {
  std::string Key;
  std::vector<std::string> Values;
};
BOOST_DESCRIBE_STRUCT(WireFilter, (), (Key, Values))
struct FiltersRequest {
  std::vector<WireFilter> Filters;
};
BOOST_DESCRIBE_STRUCT(FiltersRequest, (), (Filters))
struct TagsRequest {
  std::vector<WireTag> Tags;
};
BOOST_DESCRIBE_STRUCT(TagsRequest, (), (Tags))

bool is_allowed_key(std::string_view key, std::initializer_list<std::string_view> allowed) {
  return std::ranges::any_of(allowed, [&](std::string_view a) {
    return a == "tag:" ? key.starts_with(a) && key.size() > a.size() : key == a;
  });
}

}  // namespace

Result<std::vector<Filter>> filters_of(const json::Value& request, std::initializer_list<std::string_view> allowed,
                                       std::string_view exception) {
  BELAY_TRY_ASSIGN(auto wire, json::decode<FiltersRequest>(request));
  std::vector<Filter> out;
  for (auto& filter : wire.Filters) {
    if (!is_allowed_key(filter.Key, allowed)) {
      std::vector<std::string> names(allowed.begin(), allowed.end());
      return failure(exception,
                     "the filter key '" + sanitize(filter.Key, 128) + "' is not valid here: use " + join(names, ", "));
    }
    out.push_back({std::move(filter.Key), std::move(filter.Values)});
  }
  return out;
}

Status refuse_word(const Error& error, std::string_view exception) { return failure(exception, error.message()); }

Status check_word(std::string_view key, std::string_view value, std::span<const std::string_view> known,
                  std::string_view exception) {
  if (std::ranges::find(known, value) != known.end()) return {};
  return failure(exception, "the filter " + std::string(key) + " does not know '" + sanitize(value, 60) +
                                "'; there are " + join(std::vector<std::string>(known.begin(), known.end()), ", "));
}

Result<std::vector<store::tags::Tag>> tags_of(const json::Value& request) {
  BELAY_TRY_ASSIGN(const auto wire, json::decode<TagsRequest>(request));
  std::vector<store::tags::Tag> out;
  std::set<std::string> keys;
  for (const auto& tag : wire.Tags) {
    if (to_lower(tag.Key).starts_with("aws:"))
      return failure("ValidationException", "tag keys that begin with aws: are reserved");
    if (!keys.insert(tag.Key).second)
      return failure("ValidationException", "the tag key '" + sanitize(tag.Key, 128) + "' is there twice");
    out.push_back({tag.Key, tag.Value});
  }
  return out;
}

json::Array tags_reply(const std::vector<store::tags::Tag>& tags) {
  json::Array out;
  for (const auto& tag : tags) out.push_back(json::Object{{"Key", tag.key}, {"Value", tag.value}});
  return out;
}

}  // namespace belay::server
