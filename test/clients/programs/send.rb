# SPDX-License-Identifier: Apache-2.0
# Ruby's Net::SMTP: what all programs here send, see send_test.go.
require "net/smtp"

context = OpenSSL::SSL::SSLContext.new
context.set_params(verify_mode: OpenSSL::SSL::VERIFY_PEER, ca_file: ENV["CA"])
smtp = Net::SMTP.new(ENV["HOST"], ENV["PORT"].to_i)
smtp.enable_starttls(context)
smtp.start("client.example", ENV["APIKEY"], ENV["SECRET"], :plain) do |s|
  s.send_message(ENV["RAWPLAIN"].sub("NAME", "ruby"), "a@example.com", "ruby-1@example.net")
  s.send_message(File.binread(ENV["RAW"]), "a@example.com", %w[ruby-2@example.net ruby-3@example.net ruby-4@example.net])

  # It raises at the refused recipient and leaves the transaction open: the next MAIL is out of order (RFC 5321 §3.3),
  # and must not go to first.
  begin
    s.send_message(ENV["RAWPLAIN"], "a@example.com", %w[ruby-first@example.net bad..address@@example.net])
    puts "a bad address was taken"
  rescue Net::SMTPError => e
    puts "refused as it should be: #{e.message}"
  end
  begin
    s.send_message(ENV["RAWPLAIN"], "a@example.com", "ruby-second@example.net")
    puts "a second MAIL was taken"
  rescue Net::SMTPError => e
    puts "out of order as it should be: #{e.message}"
  end
  s.rset
  s.send_message(ENV["RAWPLAIN"], "a@example.com", "ruby-after@example.net")
end
