#include "agent/runner/run_actions.hpp"
#include "agent/runner/run_parts.hpp"
#include "base/log.hpp"

namespace belay::agent {

using patchrun::Findings;
using patchrun::RunState;

PoolTools RunActions::pool_tools(const RunState& run) const {
  return {tools_.files, tools_.packages, tools_.clock, run.order.use_pool ? tools_.pool : nullptr};
}

Happened RunActions::download(const RunState& run) {
  Findings findings;
  const auto order = install_order(run, paths_);
  const auto tools = pool_tools(run);
  const auto done = download_with_pool(tools, order, collect(findings));
  if (!done.ok()) return failed(done.error(), std::move(findings));
  // This run has its files: what the pool lacks of them is given where that can be done, and fails nothing.
  if (tools.pool)
    for (const auto& problem : fill_pool(tools, order, collect(findings)))
      log::warning("pool_not_filled", {{"package", problem.subject}, {"why", problem.detail}});
  return succeeded(std::move(findings), "");
}

}  // namespace belay::agent
