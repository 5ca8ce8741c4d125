<?php
// SPDX-License-Identifier: Apache-2.0
// PHPMailer: what all programs here send, see send_test.go.
require 'libphp-phpmailer/autoload.php';

use PHPMailer\PHPMailer\PHPMailer;

$m = new PHPMailer(true);
$m->isSMTP();
$m->Host = getenv('HOST');
$m->Port = (int) getenv('PORT');
$m->SMTPAuth = true;
$m->Username = getenv('APIKEY');
$m->Password = getenv('SECRET');
$m->SMTPSecure = 'tls';
$m->SMTPOptions = ['ssl' => ['cafile' => getenv('CA'), 'verify_peer_name' => false]];
$m->SMTPKeepAlive = true;
$m->CharSet = 'utf-8';
$m->setFrom('a@example.com', 'Jürgen');

$m->addAddress('php-1@example.net');
$m->Subject = 'plain by php';
$m->Body = getenv('PLAIN');
$m->send();

$m->clearAllRecipients();
$m->addAddress('php-2@example.net', 'Zwei, ü');
$m->addCC('php-3@example.net');
$m->addBCC('php-4@example.net');
$m->Subject = 'Grüße von php';
$m->Body = file_get_contents(getenv('TEXT'));
$m->addStringAttachment(file_get_contents(getenv('ATTACHMENT')), 'Anhang ü.bin', 'base64', 'application/octet-stream');
$m->send();

$m->clearAllRecipients();
$m->clearAttachments();
PHPMailer::$validator = function () { return true; };
$m->addAddress('bad..address@@example.net');
try {
    $m->send();
    echo "a bad address was taken\n";
} catch (Exception $e) {
    echo 'refused as it should be: ', $e->getMessage(), "\n";
}
$m->clearAllRecipients();
$m->addAddress('php-after@example.net');
$m->Subject = 'after php';
$m->Body = 'after';
$m->send();
$m->smtpClose();
