// SPDX-License-Identifier: Apache-2.0
// The simulated provider: answers what OpenAI answers, in the same shapes, without a model. The
// same request gets the same answer (but for the request id). Belongs to one loop.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "net/http_server.h"
#include "sim/admin_api.h"
#include "sim/answer.h"
#include "sim/files.h"
#include "sim/form.h"
#include "sim/options.h"
#include "sim/path_faults.h"
#include "sim/request_log.h"

namespace sallyport::sim {

class Provider final : public net::ServerHandler {
 public:
  // `loop` and `clock` outlive this.
  Provider(net::Loop& loop, const Clock& clock, SimOptions options);
  Provider(const Provider&) = delete;

  Task<net::ServerResponse> handle(net::ServerRequest request) override;

  const RequestLog& log() const { return log_; }
  AdminApi& admin() { return admin_; }
  PathFaults& path_faults() { return path_faults_; }

 private:
  // Everything but time: an answer that is wrong before its family is asked, or the family's.
  Answer answer(Call& call, const std::string& body_digest);
  Answer route(const Call& call, const std::optional<Form>& form);
  Answer route_files(const Call& call, const std::optional<Form>& form);
  // Says who pays, in call.caller, or refuses.
  std::optional<Answer> refuse_credential(Call& call);
  std::optional<Answer> refuse_admin(const Call& call, const AdminKey*& caller);
  Answer own_page(const net::ServerRequest& request);
  std::int64_t now_s() const;
  void add_faults(Behaviour& behaviour, const std::string& digest) const;
  net::ServerResponse respond(Answer answer, const Call& call,
                              std::shared_ptr<LoggedRequest> logged);

  net::Loop& loop_;
  const Clock& clock_;
  const SimOptions options_;
  RequestLog log_;
  Files files_;
  PathFaults path_faults_;
  AdminApi admin_;
};

}  // namespace sallyport::sim
