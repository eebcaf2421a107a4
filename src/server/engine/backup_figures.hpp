#pragma once
// Backups as Prometheus reads them at GET /metrics. docs/guide/monitoring.md lists the names.
//
// Bounded: the first kFigureNodesMax nodes of plans, in the order of the plans' names, have samples of their own. What
// a plan has beyond is one sample more with node="*": the greatest age, the least of what should be high (points,
// level, what is met), the sum of what is counted. At most kFigurePlansMax plans and kFigureVaultsMax vaults. Finding
// names are the known ones, or "other".
//
// Read from the store at most every kFiguresEvery, and so seldom that no more than a twentieth of a core goes into it.
// Ages are by the moment they are asked for. What is not known has no sample.
#include <memory>
#include <mutex>
#include <string>

#include "server/engine/zones.hpp"
#include "store/store.hpp"

namespace belay::server {

inline constexpr std::size_t kFigureNodesMax = 500, kFigurePlansMax = 500, kFigureVaultsMax = 200;
inline constexpr Duration kFiguresEvery{5'000};

struct BackupFiguresKept;  // inside

class BackupFigures {
 public:
  BackupFigures(store::Store& store, const Clock& clock, Zones& zones);
  ~BackupFigures();
  // Any thread. Where the store does not answer: what was read before, else nothing.
  std::string text();

 private:
  Status read(BackupFiguresKept& into);

  store::Store& store_;
  const Clock& clock_;
  Zones& zones_;
  std::mutex mutex_;
  std::unique_ptr<BackupFiguresKept> kept_;
  Duration read_at_{}, took_{};  // by the monotonic clock
};

}  // namespace belay::server
