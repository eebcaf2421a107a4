#pragma once
// What was judged for a (package set, offer set, product, baseline version), held while it stays true: whole for the
// ones used last, and as counts for many more. Safe from any thread.
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "core/baseline/evaluate.hpp"

namespace belay::server {

template <typename T>
class RecentMap {
 public:
  explicit RecentMap(std::size_t entries_max) : entries_max_(entries_max) {}

  std::shared_ptr<const T> find(const std::string& key) {
    const std::scoped_lock lock(mutex_);
    const auto at = index_.find(key);
    if (at == index_.end()) return nullptr;
    order_.splice(order_.begin(), order_, at->second);
    return at->second->second;
  }

  void put(const std::string& key, std::shared_ptr<const T> value) {
    const std::scoped_lock lock(mutex_);
    if (const auto at = index_.find(key); at != index_.end()) {
      at->second->second = std::move(value);
      order_.splice(order_.begin(), order_, at->second);
      return;
    }
    order_.emplace_front(key, std::move(value));
    index_.emplace(key, order_.begin());
    if (order_.size() > entries_max_) {
      index_.erase(order_.back().first);
      order_.pop_back();
    }
  }

 private:
  using Entries = std::list<std::pair<std::string, std::shared_ptr<const T>>>;
  const std::size_t entries_max_;
  std::mutex mutex_;
  Entries order_;  // used last first
  std::unordered_map<std::string, typename Entries::iterator> index_;
};

// An evaluation without its rows.
struct EvaluationSummary {
  Instant evaluated_at{};
  std::optional<Instant> changes_at;
  baseline::PatchCounts counts;
  bool compliant = true;
  baseline::ComplianceLevel severity = baseline::ComplianceLevel::UNSPECIFIED;
};

// The same values judged at `now` give the same states: between the judging and the next date that matters.
template <typename Held>
bool still_true(const Held& held, Instant now) {
  return now >= held.evaluated_at && (!held.changes_at || now < *held.changes_at);
}

}  // namespace belay::server
