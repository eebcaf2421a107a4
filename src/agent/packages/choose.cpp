#include "agent/packages/choose.hpp"

#include <array>

#include "agent/packages/apt/apt_package_manager.hpp"
#include "agent/packages/dnf/dnf_package_manager.hpp"
#include "base/text.hpp"
#include "core/fleet/operating_system.hpp"

namespace belay::agent {
namespace {

struct Row {
  std::string_view id;  // os-release ID, or a word of ID_LIKE
  Backend backend;
};

constexpr std::array kBackends{
    Row{"debian", Backend::apt},    Row{"ubuntu", Backend::apt}, Row{"raspbian", Backend::apt},
    Row{"linuxmint", Backend::apt}, Row{"fedora", Backend::dnf}, Row{"rhel", Backend::dnf},
    Row{"centos", Backend::dnf},    Row{"rocky", Backend::dnf},  Row{"almalinux", Backend::dnf},
    Row{"ol", Backend::dnf},        Row{"amzn", Backend::dnf},
};

}  // namespace

Result<Backend> choose_backend(std::string_view os_release) {
  const std::string id = fleet::os_release_value(os_release, "ID"),
                    like = fleet::os_release_value(os_release, "ID_LIKE");
  const std::string words = id + " " + like;
  for (const auto word : split(words, ' '))
    for (const auto& row : kBackends)
      if (row.id == word) return row.backend;
  return Error(Code::unsupported,
               "no package manager is known for the system '" + id + "' (os-release ID), nor for what it is like ('" +
                   like + "')",
               "unsupported-system");
}

Result<std::unique_ptr<PackageManager>> make_package_manager(const Host& host, const PackageManagerOptions& options) {
  auto os_release = host.files.read(options.root + "/etc/os-release", 64 << 10);
  if (!os_release.ok()) os_release = host.files.read(options.root + "/usr/lib/os-release", 64 << 10);
  if (!os_release.ok())
    return Error(Code::unsupported, "this system has no os-release file: " + os_release.error().chain(),
                 "unsupported-system");
  BELAY_TRY_ASSIGN(const auto backend, choose_backend(*os_release));
  if (backend == Backend::dnf)
    return std::unique_ptr<PackageManager>(std::make_unique<DnfPackageManager>(host, options.root));
  apt::Layout layout;
  layout.root = options.root;
  layout.lists_age_max = options.lists_age_max;
  layout.own_lists = !options.lists_directory.empty();
  if (layout.own_lists) {
    layout.lists_directory = options.lists_directory;
    layout.cache_directory =
        options.cache_directory.empty() ? options.lists_directory + "/../cache" : options.cache_directory;
  }
  return std::unique_ptr<PackageManager>(std::make_unique<AptPackageManager>(host, std::move(layout)));
}

}  // namespace belay::agent
