#pragma once
#include <string_view>

namespace belay::server::shapes {

// The files ssm.shapes and belay.shapes, as the binary carries them.
std::string_view embedded_ssm_shapes();
std::string_view embedded_belay_shapes();

}  // namespace belay::server::shapes
