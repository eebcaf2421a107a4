#pragma once
// A repository as `restic init` leaves it, but for one thing: the work factor of its key is tiny. restic chooses one
// that costs every call half a second of a processor, and a test makes dozens of calls. That restic's own init is
// called, and what it makes is opened, is tried where a test hands the engine an empty vault.
#include <string>

namespace belay::fakes {

inline constexpr const char* kRepositoryKey = "near-key-Aa1%/ x";  // opens it, and nothing else does

void lay_restic_repository(const std::string& directory);  // made where it is absent

}  // namespace belay::fakes
