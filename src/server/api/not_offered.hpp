#pragma once
// SSM's operations that Belay leaves out, each with what to use instead (docs/guide/from-aws.md has the same table).
#include <string_view>

namespace belay::server {

// "" where nothing is known: the operation is built, or was added to the model and nobody decided yet.
std::string_view instead_of(std::string_view operation);

}  // namespace belay::server
