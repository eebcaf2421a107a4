#pragma once
// Package and offer sets by their hash, kept until newer ones push them out: the server asks for those it lacks.
#include <string>

#include "agent/runner/state_paths.hpp"
#include "base/result.hpp"
#include "core/fleet/package.hpp"
#include "io/files.hpp"

namespace belay::agent {

inline constexpr std::size_t kSetsKeptMax = 8;

class SetStore {
 public:
  SetStore(io::Files& files, StatePaths paths) : files_(files), paths_(std::move(paths)) {}

  // The hash under which it is kept. May be repeated.
  Result<std::string> keep(const fleet::PackageSet& set);
  Result<std::string> keep(const fleet::OfferSet& set);
  Result<fleet::PackageSet> package_set(const std::string& hash) const;
  Result<fleet::OfferSet> offer_set(const std::string& hash) const;

 private:
  Result<std::string> keep_text(std::string text);
  Result<std::string> text_of(const std::string& hash) const;
  void drop_oldest();

  io::Files& files_;
  StatePaths paths_;
};

}  // namespace belay::agent
