#pragma once
// A saved package state as a Command document that puts it back: what an association runs, or hooks of other tools.
#include <string>

#include "base/result.hpp"
#include "core/fleet/package.hpp"
#include "store/rollouts.hpp"

namespace belay::server {

// YAML. It installs what differs, at exactly the saved versions, downgrades included; what was not there is left, and
// nothing is removed. unsupported where the system's package manager is none that it speaks (apt, dnf);
// resource_exhausted where it would be larger than a document may be; conflict where a name could be anything but one.
Result<std::string> restore_document(const store::rollouts::SavedState& state, const fleet::PackageSet& packages);

}  // namespace belay::server
