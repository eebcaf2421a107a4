#include "core/rollout/spec_parts.hpp"

#include "base/text.hpp"

namespace belay::rollout::parts {

std::optional<patchrun::ReversibilityClass> reversibility_class(const Place& place, std::string_view field) {
  using patchrun::ReversibilityClass;
  const auto word = place.choice(field, "R0,R1,R2,R3", "");
  if (word == "R0") return ReversibilityClass::R0;
  if (word == "R1") return ReversibilityClass::R1;
  if (word == "R2") return ReversibilityClass::R2;
  if (word == "R3")
    place.reader.refuse(place.at(field), "is R3: data restore points are not offered yet; R2 is the most there is");
  return std::nullopt;
}

}  // namespace belay::rollout::parts
