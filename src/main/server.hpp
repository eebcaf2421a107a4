#pragma once
// belayd's parts, made and wired.
#include <functional>
#include <memory>
#include <string>

#include "main/server_settings.hpp"

namespace belay {

// Runs until SIGTERM or SIGINT, then drains. `ready` is called once with the line for standard output.
Status run_server(const ServerSettings& settings, const std::function<void(const std::string&)>& ready);

}  // namespace belay
