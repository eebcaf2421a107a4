#include <functional>

#include "server/engine/backup_figures_kept.hpp"
#include "server/engine/metrics_text.hpp"

namespace belay::server {
namespace {

using Figure = std::optional<std::uint64_t>;

class Writer {
 public:
  Writer(const BackupFiguresKept& kept, Instant now) : kept_(kept), now_(now) {}

  std::string text() {
    plans();
    nodes();
    runs();
    out_.family("belay_backup_vault_free_bytes", "gauge", "Free in the vault, as the nodes see it; the least of them.");
    for (const auto& [name, vault] : kept_.vaults)
      if (vault.bytes_free) out_.sample("belay_backup_vault_free_bytes", {{"vault", name}}, *vault.bytes_free);
    out_.family("belay_backup_vault_reachable", "gauge", "1 where every node that looked lately reached the vault.");
    for (const auto& [name, vault] : kept_.vaults)
      if (vault.reachable) out_.sample("belay_backup_vault_reachable", {{"vault", name}}, one(*vault.reachable));
    out_.family("belay_backup_uncovered_nodes", "gauge", "Nodes with a database that no backup plan covers.");
    out_.sample("belay_backup_uncovered_nodes", {}, static_cast<std::uint64_t>(kept_.uncovered));
    return out_.take();
  }

 private:
  static std::uint64_t one(bool yes) { return yes ? 1 : 0; }
  Figure age(const std::optional<Instant>& at) const {
    if (!at) return std::nullopt;
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, (now_ - *at).count() / 1'000));
  }
  template <typename Each>
  void each_node(Each each) {
    for (const auto& plan : kept_.plans) {
      for (const auto& [node, figures] : plan.nodes) each(plan.name, node, figures);
      if (plan.rest) each(plan.name, std::string("*"), *plan.rest);
    }
  }

  void plans() {
    out_.family("belay_backup_nodes", "gauge", "Nodes that the plan covers.");
    for (const auto& plan : kept_.plans) out_.sample("belay_backup_nodes", {{"plan", plan.name}}, plan.covered);
    out_.family("belay_backup_findings", "gauge", "Nodes of the plan whose watch found this out of order.");
    for (const auto& plan : kept_.plans)
      for (const auto& [finding, count] : plan.findings)
        out_.sample("belay_backup_findings", {{"plan", plan.name}, {"finding", finding}}, count);
  }

  void gauge(std::string_view name, std::string_view help, const std::function<Figure(const NodeFigures&)>& of) {
    out_.family(name, "gauge", help);
    each_node([&](const auto& plan, const auto& node, const NodeFigures& figures) {
      if (const auto figure = of(figures)) out_.sample(name, {{"plan", plan}, {"node", node}}, *figure);
    });
  }

  void nodes() {
    using N = const NodeFigures&;
    gauge("belay_backup_point_age_seconds", "Since the newest recovery point that is available was taken.",
          [&](N node) { return age(node.newest_point); });
    gauge("belay_backup_recoverable_age_seconds", "Since the newest moment that can be given back, logs included.",
          [&](N node) { return age(node.recoverable_to); });
    gauge("belay_backup_proof_age_seconds", "Since the newest proof that counts.",
          [&](N node) { return age(node.proven_at); });
    gauge("belay_backup_proof_level", "Of that proof: 0 to 5.", [](N node) { return node.level; });
    gauge("belay_backup_compliant", "1 where nothing is held against the node.",
          [](N node) { return Figure(one(node.compliant)); });
    gauge("belay_backup_points", "Recovery points that are available.", [](N node) { return Figure(node.points); });
    gauge("belay_backup_suspicious_points", "Recovery points that are suspect, quarantined or damaged.",
          [](N node) { return Figure(node.suspicious); });
    gauge("belay_backup_log_gaps", "Gaps in WAL or binary logs.", [](N node) { return Figure(node.log_gaps); });
    out_.family("belay_backup_objective_met", "gauge", "1 where the plan's objective is met.");
    each_node([&](const auto& plan, const auto& node, N figures) {
      for (const auto& [objective, met] : {std::pair{"rpo", figures.rpo_met}, {"rto", figures.rto_met}})
        if (met)
          out_.sample("belay_backup_objective_met", {{"plan", plan}, {"node", node}, {"objective", objective}},
                      one(*met));
    });
  }

  void run(std::string_view name, std::string_view kind, std::string_view help,
           const std::function<Figure(const backup::Tally&)>& of) {
    out_.family(name, kind, help);
    each_node([&](const auto& plan, const auto& node, const NodeFigures& figures) {
      for (const auto& [task, tally] : figures.tallies)
        if (const auto figure = of(tally)) out_.sample(name, {{"plan", plan}, {"node", node}, {"task", task}}, *figure);
    });
  }

  void runs() {
    using T = const backup::Tally&;
    run("belay_backup_runs_total", "counter", "Jobs that ended, since the node joined the plan.",
        [](T tally) { return Figure(tally.runs); });
    run("belay_backup_runs_failed_total", "counter", "Of these, those that did not succeed.",
        [](T tally) { return Figure(tally.failed); });
    run("belay_backup_last_run_succeeded", "gauge", "1 where the newest job succeeded.",
        [](T tally) { return Figure(one(tally.state == "Succeeded")); });
    run("belay_backup_last_run_age_seconds", "gauge", "Since the newest job ended.",
        [&](T tally) { return age(tally.at); });
    run("belay_backup_last_run_duration_seconds", "gauge", "How long the newest job took.", [](T tally) {
      return Figure(static_cast<std::uint64_t>(std::max<std::int64_t>(0, tally.took.count())) / 1'000);
    });
    run("belay_backup_last_run_bytes", "gauge", "What the newest job moved.",
        [](T tally) { return Figure(tally.bytes); });
  }

  const BackupFiguresKept& kept_;
  const Instant now_;
  MetricsText out_;
};

}  // namespace

std::string figures_text(const BackupFiguresKept& kept, Instant now) { return Writer(kept, now).text(); }

}  // namespace belay::server
