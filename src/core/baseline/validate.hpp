#pragma once
// Whether a baseline says something that can be applied (ssm.md §1.1). The API's shapes check lengths and patterns
// first; this checks everything again, and what no shape can say, so that a baseline from a file is as safe.
#include <boost/describe.hpp>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "core/baseline/baseline.hpp"

namespace belay::baseline {

struct FieldError {
  std::string field;    // as on the wire: "ApprovalRules.PatchRules[2].ApproveAfterDays"
  std::string message;  // what is wrong and what is allowed
  bool operator==(const FieldError&) const = default;
};
BOOST_DESCRIBE_STRUCT(FieldError, (), (field, message))

// Every fault, in the order of the fields; empty: valid. An empty id is fine (not stored yet, or an override).
std::vector<FieldError> validate(const PatchBaseline& baseline);
// The first fault as invalid_argument, its message starting with the field.
Status check(const PatchBaseline& baseline);

// The filter keys that rules and global filters of this system may use, in the order of SSM's documentation.
const std::vector<PatchFilterKey>& allowed_filter_keys(OperatingSystem system);

}  // namespace belay::baseline
