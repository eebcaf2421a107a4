#pragma once
// Where the agent keeps what. Everything lies under one directory that only root reads (mode 0700).
//
//   identity/            key.pem (0600), certificate.pem, ca.pem, identity.json
//   counter.json         the highest order counter accepted
//   orders/<id>/         one accepted order until its result is on the way to the server:
//       order.json       as accepted
//       run.json         the journal of a patch run
//       steps.json       the journal of a document's steps
//       cancel           somebody asked for it to stop
//       output           what it printed so far, bounded
//       result.json      it has ended; written once
//       lock             held while a process works on it
//       refresh          associations that a step wants run now, until the agent takes it up
//   runs/<id>/           the directory of a document's steps, shared by the orders of one document
//   custom-inventory/    what people report of this machine (aws:softwareInventory), *.json
//   welcomed.json        which agent the server welcomed last; restart: somebody wants it to begin anew
//   associations/        for when this node is cut off:
//       set.json         what it runs then, as the server signed it
//       runs.json        since when it is cut off, and which runs were taken up
//   archive/<id>.json    results of the newest orders, for people
//   outbox/              messages that the server has not acknowledged
//   sets/<hash>.json     package and offer sets that the server may ask for
//   held/                old packages, for a rollback
//   probes-before.json   how healthy this node was before its newest committed run, for the same; with .failed behind
//                        it: before the newest run whose rollback failed
//   snapshots.json       snapshots that were kept beyond their run, and until when
//   backups/             between jobs: caches, positions of chains; watch/<plan>.json: what is watched every minute
//   lists/               package lists of Belay's own, where the host's must not be touched
#include <string>
#include <string_view>

namespace belay::agent {

inline constexpr std::string_view kStateDirectoryDefault = "/var/lib/belay-agent";

class StatePaths {
 public:
  explicit StatePaths(std::string root) : root_(std::move(root)) {}
  const std::string& root() const { return root_; }
  std::string identity(std::string_view file) const { return root_ + "/identity/" + std::string(file); }
  std::string identity_directory() const { return root_ + "/identity"; }
  std::string counter() const { return root_ + "/counter.json"; }
  std::string orders() const { return root_ + "/orders"; }
  std::string order_directory(std::string_view id) const { return orders() + "/" + std::string(id); }
  std::string order(std::string_view id) const { return order_directory(id) + "/order.json"; }
  std::string journal(std::string_view id) const { return order_directory(id) + "/run.json"; }
  std::string steps(std::string_view id) const { return order_directory(id) + "/steps.json"; }
  std::string cancel(std::string_view id) const { return order_directory(id) + "/cancel"; }
  std::string output(std::string_view id) const { return order_directory(id) + "/output"; }
  std::string result(std::string_view id) const { return order_directory(id) + "/result.json"; }
  std::string order_lock(std::string_view id) const { return order_directory(id) + "/lock"; }
  std::string reserve(std::string_view id) const { return order_directory(id) + "/reserve"; }
  std::string runs() const { return root_ + "/runs"; }
  std::string run_directory(std::string_view id) const { return runs() + "/" + std::string(id); }
  std::string custom_inventory() const { return root_ + "/custom-inventory"; }
  std::string welcomed() const { return root_ + "/welcomed.json"; }
  std::string restart() const { return root_ + "/restart"; }
  std::string refresh(std::string_view id) const { return order_directory(id) + "/refresh"; }
  std::string associations_directory() const { return root_ + "/associations"; }
  std::string associations() const { return associations_directory() + "/set.json"; }
  std::string own_runs() const { return associations_directory() + "/runs.json"; }
  std::string run_lock() const { return root_ + "/run.lock"; }
  std::string agent_lock() const { return root_ + "/agent.lock"; }
  std::string archive() const { return root_ + "/archive"; }
  std::string archived(std::string_view id) const { return archive() + "/" + std::string(id) + ".json"; }
  std::string outbox() const { return root_ + "/outbox"; }
  std::string sets() const { return root_ + "/sets"; }
  std::string snapshots() const { return root_ + "/snapshots.json"; }
  std::string backups() const { return root_ + "/backups"; }
  std::string watches() const { return backups() + "/watch"; }
  std::string probes_before() const { return root_ + "/probes-before.json"; }
  std::string held() const { return root_ + "/held"; }
  std::string lists() const { return root_ + "/lists"; }

 private:
  std::string root_;
};

}  // namespace belay::agent
