#pragma once
// Inside of spec.cpp, spec_rings.cpp and spec_probes.cpp: how members of the file are read.
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/rollout/spec.hpp"

namespace belay::rollout::parts {

using document::Reader;

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

std::optional<patchrun::ReversibilityClass> reversibility_class(const Place& place, std::string_view field);
RingSpec read_ring(const Place& place);
patchrun::ProbeSpec read_probe(const Place& place);
patchrun::Gate read_gate(const Place& place);

}  // namespace belay::rollout::parts
