#pragma once
// How members of a file that an operator wrote are read: rollouts, backup plans, vaults.
#include <boost/describe.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "core/document/reader.hpp"

namespace belay::document {

// "10m", "2s", "1h30m", "7d", "0". invalid_argument.
Result<Duration> parse_span(std::string_view text);

// "20MiB", "512KiB", "3GB", "100" with "/s" after it or not. invalid_argument.
Result<std::uint64_t> parse_size(std::string_view text);

// JSON where it begins with a brace, else YAML. As read_content() refuses.
Result<MarkedValue> read_either(std::string_view content);

// "tag:Key=a,b", "group:NAME", "name or id", "*". SSM's rule: what has the same key is OR, different keys are AND.
struct Target {
  std::string key;  // "tag:Key", "PatchGroup", "InstanceIds"
  std::vector<std::string> values;
  bool operator==(const Target&) const = default;
};
BOOST_DESCRIBE_STRUCT(Target, (), (key, values))
// What one text of `targets` names. invalid_argument.
Result<Target> parse_target(std::string_view text);

// A plain address (name@host), as it may stand in a mail's header: nothing that could end it or begin another one.
bool is_mail_address(std::string_view text);

// A member of a mapping and where it stands.
struct Place {
  Reader& reader;
  const json::Object& object;
  std::string path;

  std::string at(std::string_view field) const { return member_path(path, field); }
  const json::Value* find(std::string_view field) const;  // nullptr where it is absent or null
  std::string text(std::string_view field, bool required = false, std::size_t bytes_max = 256) const;
  bool flag(std::string_view field, bool when_absent) const;
  std::uint32_t number(std::string_view field, std::uint32_t when_absent, std::uint32_t min, std::uint32_t max) const;
  Duration span(std::string_view field, Duration when_absent, Duration min, Duration max) const;
  std::string choice(std::string_view field, std::string_view choices, std::string_view when_absent) const;
  // A list of texts; a single text is a list of one.
  std::vector<std::string> texts(std::string_view field, std::size_t count_max, std::size_t bytes_max = 256) const;
  // Each item of a list that must be a mapping.
  void each(std::string_view field, bool required, std::size_t count_max,
            const std::function<void(const Place&)>& take) const;
  // The member as a mapping.
  void with(std::string_view field, const std::function<void(const Place&)>& take) const;
};

}  // namespace belay::document
