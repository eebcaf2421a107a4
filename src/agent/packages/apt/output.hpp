#pragma once
// What apt's and dpkg's words mean. Pure: text in, problems and changes out. Texts come with LC_ALL=C.UTF-8.
#include <string>
#include <string_view>
#include <vector>

#include "core/fleet/package.hpp"
#include "core/fleet/problem.hpp"

namespace belay::agent::apt {

// Of `apt-get update`. Every repository that could not be fetched or trusted blocks judgement. A warning that changes
// nothing (a list configured twice, a download without sandbox) is none.
std::vector<fleet::Problem> problems_of_update(std::string_view output);

// Of install, download and dpkg runs.
std::vector<fleet::Problem> problems_of_install(std::string_view output);

// The Inst, Remv and Purg lines of `apt-get -s`. `native` fills the architecture where a removal does not say it.
std::vector<fleet::PackageChange> changes_of_simulation(std::string_view output, std::string_view native);

// "NEEDRESTART-SVC: nginx.service" of `needrestart -b`.
std::vector<std::string> services_of_needrestart(std::string_view output);

}  // namespace belay::agent::apt
